//! No descriptor is left: a stranger makes room, and where there is none the thread waits, not spins.
//! In a program of its own, since the limit is the whole program's.

mod lab;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use engine::StreamFigures;
use lab::{Lab, Subscriber, Way};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_descriptor_left_the_thread_waits_and_goes_on_when_there_is_one() {
    let lab = Lab::start(None);
    let mut subscriber = Subscriber::new(Way::tcp(&lab).await);
    subscriber.until(&lab, |subscriber| subscriber.established).await;
    let strangers: Vec<_> = (0..4).map(|_| unconnected()).collect();
    let before = getrlimit(Resource::Nofile);

    leave_no_descriptor(before);
    strangers[..2].iter().for_each(|stranger| connect(stranger, &lab.tcp).expect("queued"));
    until(&lab, |figures| figures.accept_pauses > 0).await;
    let cpu = cpu_time();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = cpu_time() - cpu;
    assert!(spent < Duration::from_millis(500), "{spent:?} of CPU in a second of waiting");
    assert_eq!(lab.server.sessions().await.len(), 1);
    setrlimit(Resource::Nofile, before).expect("the limit as it was");
    until(&lab, |figures| figures.strangers == 2).await;

    leave_no_descriptor(before);
    strangers[2..].iter().for_each(|stranger| connect(stranger, &lab.tcp).expect("queued"));
    until(&lab, |figures| figures.begun == 5).await;
    setrlimit(Resource::Nofile, before).expect("the limit as it was");
    let figures = lab.server.figures().await.data.streams;
    assert_eq!(figures.ended.get("tcp_evicted"), Some(&2), "{figures:?}");
    assert_eq!((figures.open, figures.strangers), (3, 2));
    lab.server.stop().await;
}

async fn until(lab: &Lab, holds: impl Fn(&StreamFigures) -> bool) {
    let wait = async {
        while !holds(&lab.server.figures().await.data.streams) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
}

fn unconnected() -> OwnedFd {
    socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket")
}

/// The lowest free number is the limit: what is open stays, and nothing is opened.
fn leave_no_descriptor(before: Rlimit) {
    let free = File::open("/dev/null").expect("there").as_raw_fd();
    let current = u64::try_from(free).ok();
    setrlimit(Resource::Nofile, Rlimit { current, ..before }).expect("a lower limit");
}

/// Of the whole program.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().expect("below a second"))
}
