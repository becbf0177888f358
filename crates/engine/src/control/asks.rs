//! What others ask of the control task, answered between two messages.

use tunnel::{Close, RenegotiateReason};

use super::{Ask, Control};
use crate::server::Kick;
use crate::session::ToSession;
use crate::{Ending, Identity};

impl Control {
    pub(super) fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Sessions(answer) => {
                let list = self.live().map(|(_, r)| (r.peer, r.info.clone())).collect();
                // Whoever asked may have gone.
                let _ = answer.send(list);
            }
            Ask::Figures(answer) => {
                let mut figures = self.figures.clone();
                figures.control_drops = self.drops.snapshot();
                figures.sessions = self.live().filter(|(_, r)| r.established).count() as u64;
                figures.handshakes_now = self.handshakes() as u64;
                let _ = answer.send(figures);
            }
            Ask::Kick(whom, answer) => {
                let _ = answer.send(self.kick(&whom));
            }
            Ask::RenegotiateAll => {
                let ids: Vec<_> = self.live().map(|(id, _)| id).collect();
                for id in ids {
                    self.tell(id, ToSession::Renegotiate(RenegotiateReason::Requested));
                }
            }
            Ask::Stop(_) => {}
        }
    }

    fn kick(&mut self, whom: &Kick) -> Vec<Identity> {
        let kicked: Vec<_> = self
            .live()
            .filter(|(id, registered)| match whom {
                Kick::Number(number) => id == number,
                Kick::User(user) => registered.info.identity.user == *user,
                Kick::Device(user, device) => {
                    registered.info.identity.user == *user
                        && registered.info.identity.device == *device
                }
            })
            .map(|(id, registered)| (id, registered.info.identity.clone()))
            .collect();
        for (id, _) in &kicked {
            let close = ToSession::Close(Close::Restart("closed by an administrator".to_owned()));
            self.end(*id, Ending::Kicked, Some(close));
        }
        kicked.into_iter().map(|(_, identity)| identity).collect()
    }
}
