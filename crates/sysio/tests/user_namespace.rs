//! An ordinary user's own network. Without a harness, since a user namespace must be entered before
//! any thread is started. Says why if it skips.

use sysio::{Netns, Tun, TunOffload, UserNamespaceError, enter_user_namespace};

fn main() {
    match enter_user_namespace() {
        Ok(()) => {}
        Err(error @ UserNamespaceError::Denied(_)) => {
            println!("SKIP user namespaces: {error}");
            return println!("test result: ok. 0 passed; 0 failed");
        }
        Err(error) => panic!("{error}: {error:?}"),
    }
    // In here namespaces of namespaces, and interfaces in them, are ours to make.
    let netns = Netns::create().expect("a network namespace in a user namespace");
    let tun = netns
        .run(|| Tun::create("hf0", 1400, TunOffload::None))
        .expect("the namespace can be entered");
    match tun {
        Ok(tun) => assert_eq!(tun.name(), "hf0"),
        // The device's mode, which the machine's administrator decides.
        Err(error @ (sysio::TunError::OpenDenied(_) | sysio::TunError::Missing(_))) => {
            eprintln!("no interface made: {error}");
        }
        Err(error) => panic!("{error}: {error:?}"),
    }
    std::thread::spawn(|| {
        let late = enter_user_namespace();
        assert!(matches!(late, Err(UserNamespaceError::TooLate)), "{late:?}");
    })
    .join()
    .expect("the second attempt is refused");
    println!("test result: ok. 1 passed; 0 failed");
}
