//! The control task over a data plane in memory, without a TUN device, a socket or a worker: what it asks
//! of any data plane, and in which order; and that a watcher of handshakes holds up none of it.

mod lab;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clock::{Clock, Now, SystemClock};
use datapath::{Command, Endpoint, Notice, PeerCounters, PeerRef, Shard, StreamId};
use engine::{
    Admission, AdmissionRequest, Became, Begun, ControlDatagram, DataFigures, DataPlane, Denied,
    Driver, Happened, Identity, KeyChange, Kick, PlaneOutputs, Report, Revision, Server,
    StreamOrder, Surroundings, Watcher,
};
use lab::Door;
use tokio::sync::{mpsc, watch};
use tunnel::Session;
use wire::control::ControlPacket;
use wire::stranger::StrangerCheck;
use wire::tls_auth::ReplayStamp;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_over_any_data_plane_is_a_peer_a_key_that_opens_then_one_that_seals_and_is_deleted()
 {
    let mut rig = Rig::start();
    let mut client = Client::new(0);
    client.connect(&mut rig).await;
    let [session] = &rig.server.sessions().await[..] else { panic!("one session") };
    assert_eq!(session.source, home().remote);
    assert_eq!(rig.memory.verbs(), ["peer new", "key new", "key swap"]);
    let kicked = rig.server.kick(Kick::Number(session.number)).await;
    assert_eq!(kicked.len(), 1);
    assert_eq!(rig.memory.verbs(), ["peer new", "key new", "key swap", "peer del"]);
    rig.server.stop().await;
    assert!(rig.memory.stopped.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_complete_when_the_data_plane_has_confirmed_the_deletion() {
    let mut rig = Rig::start();
    rig.memory.confirms.store(false, Ordering::Relaxed);
    let mut client = Client::new(0);
    client.connect(&mut rig).await;
    rig.door.revoke();
    let deleted = async {
        while rig.memory.verbs().last() != Some(&"peer del") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), deleted).await.expect("it is deleted");
    assert!(!rig.door.is_swept(), "nobody has confirmed it");
    rig.memory.confirm();
    let swept = async {
        while !rig.door.is_swept() {
            tokio::time::sleep(Duration::from_millis(1)).await
        }
    };
    tokio::time::timeout(Duration::from_secs(5), swept).await.expect("it is swept");
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_is_told_when_all_has_left_and_the_registry_knows_so_that_it_holds_up_neither() {
    if std::thread::available_parallelism().is_ok_and(|count| count.get() < 2) {
        // There the control task waits for a turn of the session's, which is nothing that anybody could see.
        let name = "a_watcher_is_told_when_all_has_left_and_the_registry_knows_so_that_it_holds_up_neither";
        return println!("SKIP {name}: it takes two processors");
    }
    let mut rig = Rig::start();
    // Somebody stops in the midst of a handshake, so that the next session is beside another task than control.
    let mut stopped = Client::new(0);
    while rig.watched.begun.load(Ordering::Relaxed) < 1 {
        stopped.turn(&rig).await;
    }
    let mut client = Client::new(1);
    client.connect(&mut rig).await;
    rig.server.stop().await;
    assert_eq!(*rig.watched.wrong.lock().expect("nobody panics in here"), [""; 0]);
    assert!(rig.watched.said.load(Ordering::Relaxed) > 3);
    assert_eq!(rig.watched.established.load(Ordering::Relaxed), 1);
}

/// A server over [`Memory`].
struct Rig {
    server: Server,
    door: Arc<Door>,
    watched: Arc<Watched>,
    memory: Arc<Memory>,
    control: mpsc::Sender<ControlDatagram>,
    check: StrangerCheck,
}

impl Rig {
    fn start() -> Self {
        let (control, control_in) = mpsc::channel(64);
        let (notices, notices_in) = mpsc::unbounded_channel();
        let (_, ended_streams) = mpsc::unbounded_channel();
        let outputs = PlaneOutputs { control: control_in, notices: notices_in, ended_streams };
        let memory = Arc::new(Memory {
            commands: Mutex::default(),
            sent: Mutex::default(),
            ever_sent: Mutex::default(),
            notices,
            confirms: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
        });
        let door = Arc::new(Door::new(0));
        let watched = Arc::new(Watched::new(&memory));
        let admission = Arc::new(WatchedDoor(Arc::clone(&door), Arc::clone(&watched)));
        let data = Arc::clone(&memory);
        let clock = Arc::new(SystemClock);
        let settings = lab::settings();
        let check = settings.tunnel.check.clone();
        let server = Server::start_on(data, outputs, settings, admission, clock);
        Self { server: server.expect("a server"), door, watched, memory, control, check }
    }
}

/// A data plane that moves nothing and remembers what it was asked.
#[derive(Debug)]
struct Memory {
    commands: Mutex<Vec<Command>>,
    /// What the client has not got yet.
    sent: Mutex<VecDeque<Vec<u8>>>,
    ever_sent: Mutex<Vec<Vec<u8>>>,
    notices: mpsc::UnboundedSender<Notice>,
    /// Whether it confirms deletions at once.
    confirms: AtomicBool,
    stopped: AtomicBool,
}

impl Memory {
    fn verbs(&self) -> Vec<&'static str> {
        let commands = self.commands.lock().expect("nobody panics in here");
        commands
            .iter()
            .map(|command| match command {
                Command::PeerNew { .. } => "peer new",
                Command::PeerDel { .. } => "peer del",
                Command::KeyNew { .. } => "key new",
                Command::KeySwap { .. } => "key swap",
                Command::KeyDel { .. } => "key del",
            })
            .collect()
    }

    fn confirm(&self) {
        for command in &*self.commands.lock().expect("nobody panics in here") {
            if let Command::PeerDel { peer } = *command {
                let counters = PeerCounters::default();
                let _ = self.notices.send(Notice::Deleted { peer, counters });
            }
        }
    }
}

impl DataPlane for Memory {
    fn apply(&self, command: Command) {
        self.commands.lock().expect("nobody panics in here").push(command);
        if self.confirms.load(Ordering::Relaxed) {
            self.confirm();
        }
    }

    fn heard(&self, _: PeerRef) {}

    fn send_control(&self, endpoint: &Endpoint, packets: Vec<Vec<u8>>) {
        assert_eq!(*endpoint, home());
        self.ever_sent.lock().expect("nobody panics in here").extend(packets.iter().cloned());
        self.sent.lock().expect("nobody panics in here").extend(packets);
    }

    fn stream(&self, _: StreamId, _: StreamOrder) {}

    fn send_ping(&self, _: PeerRef) {}

    fn send_exit(&self, _: PeerRef) {}

    fn shard(&self) -> Shard {
        Shard::WHOLE
    }

    fn receive_buffer(&self) -> Option<u32> {
        None
    }

    fn figures(&self) -> Pin<Box<dyn Future<Output = DataFigures> + Send + '_>> {
        Box::pin(async { DataFigures::default() })
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// A door whose connections are watched.
#[derive(Debug)]
struct WatchedDoor(Arc<Door>, Arc<Watched>);

impl Admission for WatchedDoor {
    fn admit(&self, request: AdmissionRequest) {
        self.0.admit(request);
    }

    fn recheck(&self, identity: &Identity) -> Result<(), Denied> {
        self.0.recheck(identity)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.0.revisions()
    }

    fn report(&self, report: Report) {
        if matches!(report, Report::Opened(_)) {
            self.1.opened.store(true, Ordering::Relaxed);
        }
        self.0.report(report);
    }

    fn watch(&self, _: &Begun<'_>) -> Option<Box<dyn Watcher>> {
        self.1.begun.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Slow(Arc::clone(&self.1))))
    }
}

/// What watchers saw, and what was not yet so when they were told of it.
#[derive(Debug)]
struct Watched {
    memory: Arc<Memory>,
    begun: AtomicUsize,
    said: AtomicUsize,
    established: AtomicUsize,
    opened: AtomicBool,
    wrong: Mutex<Vec<&'static str>>,
}

impl Watched {
    fn new(memory: &Arc<Memory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            begun: AtomicUsize::new(0),
            said: AtomicUsize::new(0),
            established: AtomicUsize::new(0),
            opened: AtomicBool::new(false),
            wrong: Mutex::default(),
        }
    }

    fn note_unless(&self, is_so: bool, what: &'static str) {
        if !is_so {
            self.wrong.lock().expect("nobody panics in here").push(what);
        }
    }
}

/// A watcher that takes its time.
#[derive(Debug)]
struct Slow(Arc<Watched>);

impl Watcher for Slow {
    fn secrets(&self) -> Arc<dyn rustls::KeyLog> {
        Arc::new(rustls::NoKeyLog {})
    }

    fn heard(&mut self, _: &ControlPacket, _: Option<ReplayStamp>, _: Now) {}

    fn said(&mut self, packet: &[u8], _: Now) {
        let sent = self.0.memory.ever_sent.lock().expect("nobody panics in here");
        self.0.note_unless(sent.iter().any(|sent| sent == packet), "a packet had not left");
        self.0.said.fetch_add(1, Ordering::Relaxed);
    }

    fn became(&mut self, what: Became, _: Now) {
        if what != Became::Established {
            return;
        }
        let until = Instant::now() + Duration::from_secs(3);
        while !self.0.opened.load(Ordering::Relaxed) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let is_known = self.0.opened.load(Ordering::Relaxed);
        self.0.note_unless(is_known, "the registry did not know of the session");
        self.0.established.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client whose packets go straight to the server's control task.
struct Client {
    driver: Driver,
    side: Side,
}

#[derive(Default)]
struct Side {
    waiting: Vec<Vec<u8>>,
    established: bool,
}

impl Client {
    fn new(device: usize) -> Self {
        Self { driver: Driver::new(lab::client_session(device)), side: Side::default() }
    }

    /// Until data may flow, and the server was told that the client's does.
    async fn connect(&mut self, rig: &mut Rig) {
        let handshake = async {
            while !self.side.established || rig.server.figures().await.control.sessions < 1 {
                self.turn(rig).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), handshake).await.expect("a session");
    }

    async fn turn(&mut self, rig: &Rig) {
        let now = || SystemClock.now();
        self.driver.drain(&mut self.side, now);
        for bytes in self.side.waiting.drain(..) {
            let unwrapped = rig.check.open(&bytes).expect("ours");
            let datagram = ControlDatagram { endpoint: home(), unwrapped };
            rig.control.send(datagram).await.expect("the server runs");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        while let Some(packet) = rig.memory.sent.lock().expect("nobody panics in here").pop_front()
        {
            let _ = self.driver.handle_datagram(&packet, now());
        }
        self.use_newest_key(rig);
        if self.driver.poll_timeout().is_some_and(|due| due.at <= now().boot) {
            self.driver.handle_timeout(now());
        }
    }

    /// Both sides see the other's first data packet under a key as soon as it is there.
    fn use_newest_key(&mut self, rig: &Rig) {
        let mut commands = rig.memory.commands.lock().expect("nobody panics in here");
        for command in commands.iter_mut() {
            if let Command::KeyNew { peer, key_id, .. } = *command {
                let _ = rig.memory.notices.send(Notice::FirstUse { peer, key_id });
                self.driver.data_seen(key_id, SystemClock.now());
            }
        }
    }
}

impl Surroundings for Side {
    fn send(&mut self, packets: Vec<Vec<u8>>) {
        self.waiting.extend(packets);
    }

    fn change_keys(&mut self, _: KeyChange) {}

    fn happened(&mut self, what: Happened, _: &mut Session) {
        self.established |= matches!(what, Happened::Established);
    }
}

fn home() -> Endpoint {
    Endpoint::new(0, ([198, 51, 100, 7], 40_000).into())
}
