//! An address that connections come to: what holds for them, and the strangers among them.
//!
//! Who has not proved anything yet is a stranger, and strangers are bounded. Invariant: no stranger holds a place that
//! somebody who was let in could have.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sources::Source;
use tokio::task::AbortHandle;

use crate::room::Room;
use crate::settings::Listen;

/// What holds for its connections.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) listen: Listen,
    /// For its guests.
    pub(crate) room: Arc<Room>,
}

/// Proves that a connection is a stranger's, for as long as it is kept.
pub(crate) struct Stranger {
    alive: Arc<()>,
    said_hello: Arc<AtomicBool>,
    crowd: Crowd,
}

impl Stranger {
    /// Its first message is whole: those who have said less make room before it does.
    pub(crate) fn says_hello(&self) {
        self.said_hello.store(true, Ordering::Relaxed);
    }

    /// One of these as well, from here on; none once it was sent away.
    pub(crate) fn joins(&self, crowd: &Crowd, from: IpAddr) -> Option<Self> {
        let task = self.crowd.strangers().task_of(&self.alive)?;
        let said_hello = Arc::clone(&self.said_hello);
        Some(crowd.take(Some(from), said_hello, |stranger| (task, stranger)))
    }

    /// This is where it comes from, which its socket did not say.
    pub(crate) fn comes_from(&self, from: IpAddr) {
        self.crowd.strangers().settle(&self.alive, from);
    }
}

impl Port {
    /// With these settings; whoever is there under the former ones counts on.
    pub(crate) fn of(listen: &Listen, former: Option<&Self>) -> Self {
        let alike = |one: &&Self| one.listen.max_connections == listen.max_connections;
        let room = match former.filter(alike) {
            Some(former) => Arc::clone(&former.room),
            None => Arc::new(Room::with_some_kept(listen.max_connections)),
        };
        Self { listen: listen.clone(), room }
    }
}

/// How many there may be at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) all: usize,
    pub(crate) of_a_host: usize,
}

/// Strangers of an address, as it and they share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd(Arc<Mutex<Strangers>>);

impl Crowd {
    /// Of no more than these.
    pub(crate) fn of(most: Most) -> Self {
        Self(Arc::new(Mutex::new(Strangers { most, ..Strangers::default() })))
    }

    /// One more, whose task is begun with it. Where it comes from may be said later.
    pub(crate) fn add(&self, from: Option<IpAddr>, begin: impl FnOnce(Stranger) -> AbortHandle) {
        self.take(from, Arc::default(), |stranger| (begin(stranger), ()));
    }

    fn take<T>(
        &self,
        from: Option<IpAddr>,
        said_hello: Arc<AtomicBool>,
        begin: impl FnOnce(Stranger) -> (AbortHandle, T),
    ) -> T {
        let alive = Arc::new(());
        let (is_one, hello) = (Arc::downgrade(&alive), Arc::clone(&said_hello));
        // Held over both, so that it is known here before it can say anything.
        let mut strangers = self.strangers();
        let (task, begun) = begin(Stranger { alive, said_hello, crowd: self.clone() });
        strangers.add(Kept { host: from.map(Source::host), task, is_one, said_hello: hello });
        begun
    }

    /// They are whole after each change, whoever panicked.
    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of one address, the oldest first. Where there are too many, whoever has most makes room: a crowd of some hosts
/// pushes out its own, and somebody who has just come stays. Of its own those go first who have not sent a whole first
/// message: to say nothing costs a crowd nothing, and whoever speaks TLS has sent it at once.
#[derive(Debug, Default)]
struct Strangers {
    most: Most,
    all: VecDeque<Kept>,
    of_a_host: HashMap<Source, usize>,
}

#[derive(Debug)]
struct Kept {
    /// None where a proxy has yet to say.
    host: Option<Source>,
    task: AbortHandle,
    is_one: Weak<()>,
    said_hello: Arc<AtomicBool>,
}

impl Strangers {
    /// One more, for whom another one makes room where there are too many, or too many of its host.
    fn add(&mut self, one: Kept) {
        while self.all.front().is_some_and(|oldest| oldest.is_one.strong_count() == 0) {
            self.remove(0);
        }
        if self.all.len() >= self.most.all {
            self.forget_guests();
        }
        if let Some(host) = one.host {
            self.make_room(host);
        }
        if self.all.len() >= self.most.all {
            self.send_away(self.of_the_most_crowded());
        }
        self.count(one.host);
        self.all.push_back(one);
    }

    /// One that is here counts for this host from now on.
    fn settle(&mut self, stranger: &Arc<()>, from: IpAddr) {
        let host = Source::host(from);
        self.make_room(host);
        let is_it = |one: &&mut Kept| one.is_one.as_ptr() == Arc::as_ptr(stranger);
        // Whoever was sent away meanwhile counts nowhere.
        if let Some(one) = self.all.iter_mut().rev().find(is_it) {
            let former = one.host.replace(host);
            self.count(Some(host));
            uncount(&mut self.of_a_host, former);
        }
    }

    /// What one that is here does.
    fn task_of(&self, stranger: &Arc<()>) -> Option<AbortHandle> {
        let is_it = |one: &&Kept| one.is_one.as_ptr() == Arc::as_ptr(stranger);
        self.all.iter().rev().find(is_it).map(|one| one.task.clone())
    }

    fn make_room(&mut self, host: Source) {
        if !self.is_crowded(host) {
            return;
        }
        self.forget_guests();
        if self.is_crowded(host) {
            let oldest = self.oldest(|one| one.host == Some(host));
            oldest.into_iter().for_each(|at| self.send_away(at));
        }
    }

    /// The oldest of the host that has most of them; of all, where nobody has more than a browser does.
    fn of_the_most_crowded(&self) -> usize {
        let most = self.of_a_host.iter().max_by_key(|(_, count)| **count);
        let crowded = most.filter(|(_, count)| **count > A_FEW).map(|(host, _)| *host);
        let of_crowded = crowded.and_then(|host| self.oldest(|one| one.host == Some(host)));
        of_crowded.or_else(|| self.oldest(|_| true)).unwrap_or(0)
    }

    /// Of these, and of those who have said less where there are some.
    fn oldest(&self, is_one: impl Fn(&Kept) -> bool) -> Option<usize> {
        let said_less = |one: &Kept| is_one(one) && !one.said_hello.load(Ordering::Relaxed);
        let oldest = self.all.iter().position(said_less);
        oldest.or_else(|| self.all.iter().position(&is_one))
    }

    fn is_crowded(&self, host: Source) -> bool {
        self.of_a_host.get(&host).is_some_and(|count| *count >= self.most.of_a_host)
    }

    fn count(&mut self, host: Option<Source>) {
        if let Some(host) = host {
            *self.of_a_host.entry(host).or_default() += 1;
        }
    }

    fn forget_guests(&mut self) {
        let counts = &mut self.of_a_host;
        self.all.retain(|one| {
            let stays = one.is_one.strong_count() > 0;
            if !stays {
                uncount(counts, one.host);
            }
            stays
        });
    }

    fn send_away(&mut self, at: usize) {
        if let Some(one) = self.remove(at)
            && one.is_one.strong_count() > 0
        {
            one.task.abort();
        }
    }

    fn remove(&mut self, at: usize) -> Option<Kept> {
        let one = self.all.remove(at)?;
        uncount(&mut self.of_a_host, one.host);
        Some(one)
    }
}

impl Default for Most {
    fn default() -> Self {
        Self { all: MOST_STRANGERS, of_a_host: MOST_OF_A_HOST }
    }
}

fn uncount(counts: &mut HashMap<Source, usize>, host: Option<Source>) {
    let Some(host) = host else { return };
    if let Some(count) = counts.get_mut(&host) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&host);
        }
    }
}

/// With a first message, which refusals are told with, a transcript and a certificate that does not end, each may hold
/// 136 KB: 140 MB at worst.
const MOST_STRANGERS: usize = 1024;
/// A browser opens six connections to a site, and some more to see whether they are needed: beside a crowd of an address
/// each that is most, and no crowd.
const A_FEW: usize = 16;
/// As many handshakes may be under way from one address, behind which there may be a company.
const MOST_OF_A_HOST: usize = 256;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::JoinHandle;

    use super::*;

    #[tokio::test]
    async fn a_crowd_from_one_host_makes_room_for_itself_and_pushes_nobody_else_out() {
        let crowd = Crowd::default();
        let quiet = stranger(&crowd, Some("192.0.2.1")).1;
        let (_alive, first) = stranger(&crowd, Some("198.51.100.7"));
        let _alive: Vec<_> =
            (0..MOST_OF_A_HOST).map(|_| stranger(&crowd, Some("198.51.100.7")).0).collect();
        assert!(first.await.is_err_and(|error| error.is_cancelled()));
        assert!(!quiet.is_finished());
        assert_eq!(crowd.strangers().of_a_host.values().max(), Some(&MOST_OF_A_HOST));
    }

    #[tokio::test]
    async fn a_crowd_from_many_hosts_makes_room_for_itself_and_pushes_nobody_else_out() {
        let crowd = Crowd::default();
        let mut alive = Vec::new();
        let mut of_crowd = |number: usize| {
            alive.push(stranger(&crowd, Some(&format!("198.51.100.{}", number % 8))).0);
        };
        (0..MOST_STRANGERS).for_each(&mut of_crowd);
        let quiet = stranger(&crowd, Some("192.0.2.1"));
        (0..2 * MOST_STRANGERS).for_each(&mut of_crowd);
        tokio::task::yield_now().await;
        assert!(!quiet.1.is_finished());
        assert_eq!(crowd.strangers().all.len(), MOST_STRANGERS);
        let most = crowd.strangers().of_a_host.values().max().copied();
        assert!(most.is_some_and(|most| most <= MOST_STRANGERS / 8 + 1), "{most:?}");
    }

    #[tokio::test]
    async fn a_browser_that_opens_a_few_is_no_crowd_beside_strangers_of_an_address_each() {
        let crowd = Crowd::default();
        let host = |number: usize| format!("10.0.{}.{}", number / 256, number % 256);
        let come = |number| stranger(&crowd, Some(&host(number)));
        let mut others: Vec<_> = (0..MOST_STRANGERS).map(come).collect();
        let browser: Vec<_> = (0..8).map(|_| stranger(&crowd, Some("192.0.2.1"))).collect();
        browser[..6].iter().for_each(|(one, _)| one.says_hello());
        others.extend((MOST_STRANGERS..MOST_STRANGERS + 500).map(come));
        assert_eq!(first_three(&browser).await, [false; 3]);
        assert!(browser.iter().all(|(_, task)| !task.is_finished()));
        others.extend((MOST_STRANGERS + 500..3 * MOST_STRANGERS).map(come));
        first_three(&browser).await;
        let sent_away = browser.iter().filter(|(_, task)| task.is_finished()).count();
        assert_eq!(sent_away, 2, "those who said nothing for so long");
    }

    #[tokio::test]
    async fn where_nobody_has_more_than_one_the_oldest_of_all_makes_room() {
        let crowd = Crowd::default();
        let host = |number: usize| format!("10.0.{}.{}", number / 256, number % 256);
        let all: Vec<_> =
            (0..=MOST_STRANGERS).map(|number| stranger(&crowd, Some(&host(number)))).collect();
        tokio::task::yield_now().await;
        let sent_away: Vec<_> = all.iter().map(|(_, task)| task.is_finished()).collect();
        assert!(sent_away[0] && !sent_away[1..].contains(&true));
    }

    #[tokio::test]
    async fn who_sent_a_whole_first_message_makes_room_behind_those_who_did_not() {
        for hosts in [MOST_STRANGERS, 1] {
            let crowd = Crowd::default();
            let host = |number: usize| {
                let number = number % hosts;
                format!("10.0.{}.{}", number / 256, number % 256)
            };
            let most = if hosts == 1 { MOST_OF_A_HOST } else { MOST_STRANGERS };
            let mut all: Vec<_> =
                (0..most).map(|number| stranger(&crowd, Some(&host(number)))).collect();
            all[0].0.says_hello();
            all.push(stranger(&crowd, Some(&host(0))));
            assert_eq!(first_three(&all).await, [false, true, false], "of {hosts}");
            all.iter().for_each(|(one, _)| one.says_hello());
            all.push(stranger(&crowd, Some(&host(1))));
            assert_eq!(first_three(&all).await, [true, true, false], "of {hosts}");
        }
    }

    /// Which of them were sent away, once all tasks had a turn.
    async fn first_three(all: &[(Stranger, JoinHandle<()>)]) -> [bool; 3] {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        [0, 1, 2].map(|at| all[at].1.is_finished())
    }

    #[tokio::test]
    async fn who_was_let_in_is_no_stranger_and_never_sent_away() {
        let crowd = Crowd::default();
        let (let_in, guest) = stranger(&crowd, Some("192.0.2.1"));
        drop(let_in);
        let _alive: Vec<_> =
            (0..=MOST_OF_A_HOST).map(|_| stranger(&crowd, Some("192.0.2.1")).0).collect();
        tokio::task::yield_now().await;
        assert!(!guest.is_finished());
        assert_eq!(crowd.strangers().of_a_host.values().sum::<usize>(), MOST_OF_A_HOST);
    }

    #[tokio::test]
    async fn behind_a_proxy_each_client_counts_as_itself_once_the_proxy_has_said_who_it_is() {
        let crowd = Crowd::default();
        let waiting: Vec<_> = (0..2 * MOST_OF_A_HOST).map(|_| stranger(&crowd, None)).collect();
        assert!(waiting.iter().all(|(_, task)| !task.is_finished()));
        let (quiet, crowded) = waiting.split_at(1);
        quiet[0].0.comes_from("192.0.2.1".parse().unwrap());
        crowded.iter().for_each(|(one, _)| one.comes_from("198.51.100.7".parse().unwrap()));
        assert_eq!(crowd.strangers().all.len(), 1 + MOST_OF_A_HOST);
        tokio::task::yield_now().await;
        assert!(!quiet[0].1.is_finished() && crowded[0].1.is_finished());
        drop(waiting);
        let _last = stranger(&crowd, Some("203.0.113.1"));
        assert_eq!(crowd.strangers().of_a_host.len(), 1);
    }

    /// One that does nothing.
    fn stranger(crowd: &Crowd, from: Option<&str>) -> (Stranger, JoinHandle<()>) {
        let task = tokio::spawn(pending::<()>());
        let (begun, from) = (task.abort_handle(), from.map(|from| from.parse().unwrap()));
        let mut kept = None;
        crowd.add(from, |stranger| {
            kept = Some(stranger);
            begun
        });
        (kept.unwrap(), task)
    }
}
