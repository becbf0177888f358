//! What somebody may make a capture of. Each shape goes for one bound of the reader's.

use crate::frames::{ACK, HEAD, RST, SYN, Way, hello, message, tcp, tls, udp};

/// A file without an end: its head, and one block after the other.
pub(crate) struct Shape {
    pub(crate) head: Vec<u8>,
    pub(crate) next: Box<dyn FnMut() -> Vec<u8> + Send>,
}

/// More than are told of one file.
const CONNECTIONS: u32 = 20;

/// What it is called, how many megabytes of it break a bound that does not hold, and how it is made.
type Named = (&'static str, usize, fn() -> Shape);

pub(crate) const SHAPES: [Named; 13] = [
    ("everything in turns", 12, everything),
    ("ever new connections", 2, ever_new_connections),
    ("connections that begin and break off", 2, begun_and_reset),
    ("holes that nothing fills", 8, holes),
    ("segments of one byte", 2, segments_of_one_byte),
    ("records of one byte", 16, records_of_one_byte),
    ("hellos of long names", 16, hellos_of_long_names),
    ("records that say next to nothing", 4, small_records),
    ("proofs over a long transcript", 4, proofs),
    ("ever new sessions", 4, ever_new_sessions),
    ("renewals that hold all they may", 12, renewals),
    ("data packets under every key", 4, data_packets),
    ("giant options", 8, giant_options),
];

fn of(next: impl FnMut() -> Vec<u8> + Send + 'static) -> Shape {
    Shape { head: HEAD.to_vec(), next: Box::new(next) }
}

/// A stream that never repeats where it is looked at.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::from(limit)) as u32
    }
}

/// Connections of TCP in turns, both sides of each: SYNs, and then what `say` says of a side.
fn conversations(mut say: impl FnMut(Way, &mut Dice) -> Vec<u8> + Send + 'static) -> Shape {
    let mut dice = Dice(0x5eed);
    let mut next = [[0u32; 2]; CONNECTIONS as usize];
    let mut turn = 0;
    of(move || {
        let way = Way { connection: turn / 2 % CONNECTIONS, from_client: turn % 2 == 0 };
        turn += 1;
        let sequence = &mut next[way.connection as usize][usize::from(way.from_client)];
        if *sequence == 0 {
            *sequence = 1;
            let flags = if way.from_client { SYN } else { SYN | ACK };
            return tcp(way, flags, 0, &[]);
        }
        let said = say(way, &mut dice);
        let frame = tcp(way, ACK, *sequence, &said);
        *sequence = sequence.wrapping_add(said.len() as u32);
        frame
    })
}

/// Mostly of a few connections, so that what is kept of each is what its bounds allow.
fn everything() -> Shape {
    let mut dice = Dice(0x5eed);
    let mut sequences = [0u32; 64];
    of(move || {
        let flow = dice.below(64);
        let way = Way { connection: flow, from_client: true };
        let random = dice.below(256) as u8;
        if flow < 8 {
            let reset = [&[0x38][..], &[random | 1; 8], &[0; 5]].concat();
            let sealed = [&[0x20 | random & 7][..], &[random | 1; 8], &[0, 0, 0, 0, random & 15]];
            return udp(
                way,
                &match dice.below(6) {
                    0 => reset,
                    1 => [&sealed.concat()[..], &[22, 3, 3, 64, 0]].concat(),
                    _ => vec![0x48 | random & 7; 60],
                },
            );
        }
        let payload = match dice.below(6) {
            0 | 1 => tls(22, &message(1, &hello(&vec![0x13; 1_240], true, &[]))),
            2 => vec![random],
            3 => [&[22, 3, 3, 64, 0][..], &vec![random; 1_200]].concat(),
            4 => tls(23, &[random]),
            _ => tls(21, &[1, random]),
        };
        let sequence = sequences[flow as usize];
        let (flags, payload) = if sequence == 0 { (SYN, vec![]) } else { (ACK, payload) };
        let hole = if dice.below(20) == 0 { 40 } else { 0 };
        let step = payload.len() as u32 + u32::from(flags == SYN) + hole;
        sequences[flow as usize] = sequence.wrapping_add(step);
        tcp(way, flags, sequence, &payload)
    })
}

/// One packet each.
fn ever_new_connections() -> Shape {
    let mut connection = 0;
    of(move || {
        connection += 1;
        tcp(Way { connection, from_client: true }, SYN, 0, &[])
    })
}

/// Each has room, says a little, and is gone before the next.
fn begun_and_reset() -> Shape {
    let mut turn = 0u32;
    of(move || {
        turn += 1;
        let way = Way { connection: turn / 3, from_client: true };
        match turn % 3 {
            0 => tcp(way, SYN, 0, &[]),
            1 => tcp(way, ACK, 1, &tls(22, &[1])),
            _ => tcp(way, RST, 7, &[]),
        }
    })
}

/// Of each connection the first byte is missing, and whatever comes behind it has holes of its own.
fn holes() -> Shape {
    let mut dice = Dice(0x5eed);
    let mut begun = 0;
    of(move || {
        let connection = dice.below(CONNECTIONS);
        let way = Way { connection, from_client: dice.below(2) == 0 };
        if begun < CONNECTIONS {
            begun += 1;
            return tcp(Way { connection: begun - 1, from_client: true }, SYN, 0, &[]);
        }
        let length = dice.below(1_400) as usize + 1;
        tcp(way, ACK, 2 + dice.below(1 << 30), &vec![22; length])
    })
}

fn segments_of_one_byte() -> Shape {
    let mut at = [[0usize; 2]; CONNECTIONS as usize];
    let record = tls(22, &[&[1, 1, 255, 255][..], &[0; 16_000]].concat());
    conversations(move |way, _| {
        let at = &mut at[way.connection as usize][usize::from(way.from_client)];
        let begin = *at % record.len();
        // The first say what it is.
        let length = if begin == 0 { 8 } else { 1 };
        *at += length;
        record[begin..(begin + length).min(record.len())].to_vec()
    })
}

/// Of a message as long as any that is waited for.
fn records_of_one_byte() -> Shape {
    let mut begun = [[false; 2]; CONNECTIONS as usize];
    conversations(move |way, _| {
        let had = std::mem::replace(
            &mut begun[way.connection as usize][usize::from(way.from_client)],
            true,
        );
        let head = if had { Vec::new() } else { tls(22, &[1, 1, 255, 0]) };
        [head, tls(22, &[7]).repeat(230)].concat()
    })
}

/// As many protocols as a hello has room for, in letters of four bytes.
fn hellos_of_long_names() -> Shape {
    let name = [&[252][..], "\u{1f512}".repeat(63).as_bytes()].concat();
    let names = name.repeat(62);
    let list = (names.len() as u16).to_be_bytes();
    let extension = [&[0, 16][..], &(names.len() as u16 + 2).to_be_bytes(), &list, &names].concat();
    let whole = tls(22, &message(1, &hello(&[0x13, 1], true, &extension)));
    let server = [&[0, 16][..], &(name.len() as u16 + 2).to_be_bytes(), &[0, 253], &name].concat();
    let answer = tls(22, &message(2, &hello(&[0xc0, 0x2b], false, &server)));
    conversations(move |way, _| if way.from_client { whole.clone() } else { answer.clone() })
}

fn small_records() -> Shape {
    let hello = tls(22, &message(1, &hello(&[0x13, 1], true, &[])));
    let mut begun = [false; CONNECTIONS as usize];
    conversations(move |way, dice| {
        let had = std::mem::replace(&mut begun[way.connection as usize], true);
        let one = match dice.below(3) {
            0 => tls(20, &[1]),
            1 => tls(21, &[1, 90]),
            _ => tls(22, &message(14, &[])),
        };
        [if had { Vec::new() } else { hello.clone() }, one.repeat(100)].concat()
    })
}

/// Signatures of TLS 1.2, which are over all that was said before.
fn proofs() -> Shape {
    let certificate = include_bytes!("certificate.der");
    let length = |length: usize| [0, (length >> 8) as u8, length as u8];
    let chain =
        [&length(certificate.len() + 3)[..], &length(certificate.len()), certificate].concat();
    let greeting = tls(22, &message(1, &hello(&[0xc0, 0x2b], true, &[])));
    let answer = tls(22, &message(2, &hello(&[0xc0, 0x2b], false, &[])));
    let shown = tls(22, &message(11, &chain));
    let long = tls(22, &message(99, &[5; 16_000])).repeat(2);
    let signed = tls(22, &message(15, &[&[4, 3, 0, 64][..], &[9; 64]].concat())).repeat(400);
    let mut turns = [0; CONNECTIONS as usize];
    conversations(move |way, _| {
        let turn = &mut turns[way.connection as usize];
        *turn += 1;
        match (way.from_client, *turn) {
            (true, 1 | 2) => greeting.clone(),
            (false, 1..4) => answer.clone(),
            (true, 3 | 4) => shown.clone(),
            (false, ..18) => long.clone(),
            (true, 18..) => signed.clone(),
            _ => tls(22, &message(0, &[])),
        }
    })
}

/// A client's first packet, each of another session, in a few conversations and in ever new ones.
fn ever_new_sessions() -> Shape {
    let mut number = 0u64;
    of(move || {
        number += 1;
        let connection = if number.is_multiple_of(2) { number as u32 % 4 } else { number as u32 };
        let reset = [&[0x38][..], &number.to_be_bytes(), &[0; 5]].concat();
        udp(Way { connection, from_client: true }, &reset)
    })
}

/// Every generation of keys fills what it may keep: a message that never ends, a transcript, and packets behind a hole.
fn renewals() -> Shape {
    let mut queue: Vec<Vec<u8>> = Vec::new();
    let mut number = 0u32;
    of(move || {
        if queue.is_empty() {
            queue = generation(number % CONNECTIONS, number / CONNECTIONS);
            number += 1;
        }
        queue.pop().unwrap_or_default()
    })
}

/// Its packets, the last one first.
fn generation(connection: u32, number: u32) -> Vec<Vec<u8>> {
    // Of key id 0 is the first one alone.
    let key_id = if number == 0 { 0 } else { (number - 1) % 7 + 1 } as u8;
    let mut packets = Vec::new();
    for from_client in [true, false] {
        let way = Way { connection, from_client };
        let session = [&[7; 7][..], &[u8::from(from_client)]].concat();
        let packet = |opcode: u8, id: u32, payload: &[u8]| {
            udp(
                way,
                &[&[opcode << 3 | key_id][..], &session, &[0], &id.to_be_bytes(), payload].concat(),
            )
        };
        let reset = match (number, from_client) {
            (0, true) => 7,
            (0, false) => 8,
            _ => 3,
        };
        packets.push(packet(reset, 0, &[]));
        let whole = tls(22, &message(99, &[5; 1_300]));
        let endless = tls(22, &[7; 1_300]);
        let begin = tls(22, &[99, 1, 255, 0]);
        let texts = (0..95).map(|_| &whole).chain([&begin]).chain((0..98).map(|_| &endless));
        packets.extend(texts.zip(1..).map(|(text, id)| packet(4, id, text)));
        // One is missing, and what comes behind it waits.
        packets.extend((0..11).map(|behind| packet(4, 196 + behind, &endless)));
    }
    packets.reverse();
    packets
}

fn data_packets() -> Shape {
    let mut number = 0u32;
    let mut queue: Vec<Vec<u8>> = Vec::new();
    of(move || {
        number += 1;
        if number < 2_000 && queue.is_empty() {
            queue = generation(number % CONNECTIONS, number / CONNECTIONS)
                .into_iter()
                .rev()
                .step_by(207)
                .collect();
        }
        queue.pop().unwrap_or_else(|| {
            let way =
                Way { connection: number % CONNECTIONS, from_client: number.is_multiple_of(3) };
            udp(
                way,
                &[&[0x48 | (number / 7 % 8) as u8][..], &number.to_be_bytes(), &[1; 60]].concat(),
            )
        })
    })
}

/// Blocks of .pcapng that are nearly all options, between those that a reader keeps something of.
fn giant_options() -> Shape {
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    };
    let section = block(
        0x0a0d_0d0a,
        &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
    );
    let option = [&[1, 0][..], &60_000u16.to_le_bytes(), &[b'x'; 60_000]].concat();
    let small = [&[1, 0, 4, 0][..], b"tiny"].concat().repeat(60_000);
    let many = [option.repeat(16), vec![0; 4]].concat();
    let mut turn = 0u32;
    let head = section.clone();
    let next = move || {
        turn += 1;
        let frame = tcp(Way { connection: turn, from_client: true }, SYN, 0, &[]).split_off(16);
        let padded = [&frame[..], &[0; 3][..(4 - frame.len() % 4) % 4]].concat();
        let length = (frame.len() as u32).to_le_bytes();
        let packet = [&[0; 12][..], &length, &length, &padded].concat();
        match turn % 6 {
            0 => section.clone(),
            1 => block(1, &[&[1, 0, 0, 0, 0, 0, 4, 0][..], &many].concat()),
            2 => block(1, &[&[1, 0, 0, 0, 0, 0, 4, 0][..], &small].concat()),
            3 => block(6, &[&packet[..], &many].concat()),
            4 => block(6, &[&packet[..], &small].concat()),
            _ => block(5, &[&[0; 12][..], &many].concat()),
        }
    };
    Shape { head, next: Box::new(next) }
}
