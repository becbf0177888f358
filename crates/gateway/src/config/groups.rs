//! `[groups]`: users and devices under one name, for wherever the settings say who is let in.
//!
//! Looked up once, when the file is read. Invariant: a group that stands among others stays there beside its members, so
//! that one without any lets nobody in, where a list without anything lets in everybody.

use std::collections::BTreeMap;

use front::Whom;
use names::GroupName;
use serde::{Deserialize, Serialize};

/// `[groups]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Groups(BTreeMap<GroupName, Vec<Whom>>);

impl Groups {
    /// The first of these that is no group, if there is one.
    pub(super) fn missing<'a>(&self, whom: &'a [Whom]) -> Option<&'a GroupName> {
        whom.iter().find_map(|one| match one {
            Whom::Group(name) if !self.0.contains_key(name) => Some(name),
            _ => None,
        })
    }

    /// The first of these groups that has another one in it.
    pub(super) fn nested(&self) -> Option<(&GroupName, &Whom)> {
        self.0.iter().find_map(|(name, members)| {
            let inner = members.iter().find(|one| matches!(one, Whom::Group(_)));
            inner.map(|inner| (name, inner))
        })
    }

    /// Puts each group's members behind it.
    pub(super) fn look_up(&self, whom: &mut Vec<Whom>) {
        let members = whom.iter().flat_map(|one| match one {
            Whom::Group(name) => self.0.get(name).into_iter().flatten().cloned().collect(),
            Whom::User(_) | Whom::Device(..) => Vec::new(),
        });
        let members: Vec<_> = members.collect();
        whom.extend(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_members_stand_behind_it_and_one_without_any_means_nobody() {
        let groups: Groups =
            toml::from_str("ops = [\"alice\", \"bob/phone\"]\nnone = []\n").expect("groups");
        let of = |whom: &[&str]| {
            let mut whom: Vec<Whom> = whom.iter().map(|one| one.parse().expect("one")).collect();
            assert_eq!(groups.missing(&whom), None);
            groups.look_up(&mut whom);
            whom.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&["carol", "@ops"]), ["carol", "@ops", "alice", "bob/phone"]);
        assert_eq!(of(&["@none"]), ["@none"]);
        assert!(of(&[]).is_empty());
    }
}
