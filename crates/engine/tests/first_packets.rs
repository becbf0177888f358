//! A client's first packets, while the gateway's control task is busy with something else: they pass, and so does what
//! answers them.
//!
//! Data workers run before all others on the machine, and control after them. Where it is busy, a client's interface is
//! up, its first packet is through and the answer is back before control has looked at the acknowledgement of the push,
//! or heard of that packet, and told the worker to seal.

mod lab;

use std::time::Duration;

use lab::{Lab, Subscriber, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_first_packets_are_answered_though_nobody_has_heard_of_them_in_control() {
    for over_tcp in [false, true] {
        let lab = Lab::start(None);
        let way = if over_tcp { Way::tcp(&lab).await } else { Way::udp(&lab).await };
        let mut subscriber = Subscriber::new(way);
        subscriber.until_pushed_unheard(&lab).await;
        subscriber.take_up_keys();
        lab.keep_control_busy();
        subscriber.say(&lab).await;
        let asked = async {
            while lab.packets_out() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(SOON, asked).await.expect("its packet leaves the tunnel");
        lab.packet_in(subscriber.address);
        assert!(subscriber.hears_data(SOON).await, "the answer comes back, over TCP: {over_tcp}");
        lab.let_control_go_on();
        subscriber.until(&lab, |subscriber| subscriber.established).await;
        subscriber.talk(&lab).await;
        assert!(subscriber.opened > 1 && !subscriber.ended, "and it goes on");
        lab.server.stop().await;
    }
}

const SOON: Duration = Duration::from_secs(5);
