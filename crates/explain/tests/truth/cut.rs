//! Frames that hold several datagrams, which tshark takes for one: a second capture of the same session, behind a router
//! that had cut them, has each by itself. Their bytes are the same, in the same order.

use std::path::Path;

use crate::pdml::{self, Frame, Shown};
use crate::record::Record;

/// The name under which the number of datagrams stands.
pub(crate) const DATAGRAMS: &str = "datagrams_in_frame";

/// What tshark reads in the frames that were cut, each at the place that it has in the frames that were not.
pub(crate) fn read(record: &Record, cut: &Path) -> Vec<Frame> {
    let whole = pdml::read(&record.capture, &record.keys, &record.options());
    let cut = pdml::read(cut, &record.keys, &record.options());
    let [mut of_client, mut of_server] = sides(cut);
    let client = port(&whole[0]);
    let mut all = Vec::new();
    for frame in &whole {
        let side = if port(frame) == client { &mut of_client } else { &mut of_server };
        let payload = frame.first("udp.payload").unwrap();
        let (mut had, mut parts) = (String::new(), Vec::new());
        while had.len() < payload.value.len() {
            let mut part = side.next().unwrap();
            let behind = had.len() as u64 / 2;
            let mut shown = part.fields.iter_mut().filter(|shown| shown.name == "udp.payload");
            let of_part = shown.next().unwrap();
            had.push_str(&of_part.value);
            of_part.offset = payload.offset + behind;
            (part.number, part.at) = (frame.number, frame.at);
            parts.push(part);
        }
        assert_eq!(had, payload.value, "{}: frame {}", record.name, frame.number);
        let count = parts.len();
        for part in &mut parts {
            let several = Shown { show: count.to_string(), ..Shown::default() };
            part.fields
                .extend((count > 1).then_some(Shown { name: DATAGRAMS.to_owned(), ..several }));
        }
        all.extend(parts);
    }
    assert!(of_client.next().is_none() && of_server.next().is_none(), "{}", record.name);
    all
}

fn sides(frames: Vec<Frame>) -> [std::vec::IntoIter<Frame>; 2] {
    let client = port(&frames[0]);
    let (of_client, of_server): (Vec<Frame>, Vec<Frame>) =
        frames.into_iter().partition(|frame| port(frame) == client);
    [of_client, of_server].map(Vec::into_iter)
}

fn port(frame: &Frame) -> String {
    frame.first("udp.srcport").unwrap().show.clone()
}
