//! Whoever owns the gateway's end of the line, and what they get: no CA certificate, no certificate outside
//! the profiles, no list that says less than one before.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock as _, Now, VirtualClock};
use pki::{
    CaCertificate, CertificateRequest, Crl, CrlRequest, CrossRequest, KeyId, KeyType, LocalSigner,
    NameConstraints, NewCa, PrivateKey, Profile, PublicKey, Publishing, Revocation,
    RevocationReason, Serial, SignAnswer, SignError, SignRequest, Signer as _, Timestamp, Validity,
};
use signer::protocol::{Answer, Ask, CaWish, Reply};
use signer::{Place, Standing, frame, serve};

#[test]
fn a_certificate_for_a_key_of_the_askers_is_never_a_cas() {
    let mut owned = Owned::start();
    for profile in [gateway(), device(), server(), peer(), client(), ocsp_signer()] {
        let Ok(SignAnswer::Certificate(der)) = owned.certificate(profile.clone()) else {
            panic!("{profile:?} is what the gateway asks for")
        };
        assert!(CaCertificate::from_der(&der).is_err(), "{profile:?}");
    }
}

#[test]
fn a_ca_can_be_had_for_a_key_that_stays_with_the_signer_alone_and_not_by_the_dozen() {
    let mut owned = Owned::start();
    let made = (0..20).filter(|_| owned.make_ca().is_ok()).count();
    assert!(made < 4, "{made}");
    let own = owned.ca_certificate();
    let request = request(device(), public_key_of(&own));
    assert_eq!(owned.sign(request), Err(SignError::KeyOfACa));
}

#[test]
fn what_a_ca_may_not_certify_by_its_own_certificate_is_signed_for_nobody() {
    let mut owned = Owned::start();
    let names = NameConstraints::new(&["www.example".parse().expect("a domain")], &[]);
    let wish = CaWish { names, ..wish(KeyType::P256) };
    let Ok(Answer::Made(made)) = owned.made(&wish) else { panic!("no CA") };
    let made = CaCertificate::from_der(&made).expect("a CA");
    assert_eq!(made.constraints(), wish.names);
    let mut sign = |profile| {
        let request = SignRequest::Certificate(Box::new(request(profile, key())));
        owned.ask(&Ask::Sign { ca: KeyId::of_spki(made.spki()), request })
    };
    assert!(sign(server()).is_ok() && sign(device()).is_ok());
    for profile in [gateway(), peer(), Profile::Client { name: "robot.example".into() }] {
        let refused = sign(profile.clone());
        assert!(matches!(refused, Err(SignError::NameOutside { .. })), "{profile:?}: {refused:?}");
    }
}

#[test]
fn others_are_answered_while_an_rsa_key_is_made() {
    let mut owned = Owned::start();
    let long = wish(KeyType::Rsa4096);
    assert_eq!(owned.ask(&Ask::MakeCa(long.clone())), Ok(Answer::Making));
    owned.certificate(device()).expect("signed meanwhile");
    owned.list(1, &[]).expect("a list too");
    let other = owned.ask(&Ask::MakeCa(wish(KeyType::P256)));
    assert!(matches!(other, Err(SignError::TooOften { .. })), "one at a time: {other:?}");
    assert!(matches!(owned.made(&long), Ok(Answer::Made(_))));
    let Ok(Answer::Cas(all)) = owned.ask(&Ask::Cas) else { panic!("no list") };
    assert_eq!(all.len(), 2);
}

#[test]
fn a_key_goes_where_another_ca_was_made_later_and_the_last_list_has_run_out_and_not_before() {
    let mut owned = Owned::start();
    let first = owned.ca;
    let forget = |owned: &mut Owned, ca| owned.ask(&Ask::Forget(ca)).map(drop);
    owned.list(1, &[]).expect("signed");
    owned.clock.advance(DAY);
    assert_eq!(forget(&mut owned, first), Err(SignError::NeededStill), "there is no other");
    let Ok(Answer::Made(another)) = owned.make_ca() else { panic!("no CA") };
    assert_eq!(forget(&mut owned, first), Err(SignError::NeededStill), "its list holds");
    owned.clock.advance(DAY * 7);
    let mut owned = owned.start_anew();
    let another = CaCertificate::from_der(&another).expect("a CA");
    let youngest = KeyId::of_spki(another.spki());
    assert_eq!(forget(&mut owned, youngest), Err(SignError::NeededStill));
    assert_eq!(forget(&mut owned, first), Ok(()));
    for kind in ["pem", "crl"] {
        assert!(!owned.place.folder.join(format!("{first}.{kind}")).exists(), "{kind}");
    }
    let mut owned = owned.start_anew();
    let Ok(Answer::Cas(all)) = owned.ask(&Ask::Cas) else { panic!("no list") };
    assert_eq!(all, [another.der().to_vec()]);
    assert_eq!(forget(&mut owned, first), Err(SignError::NoSuchCa));
}

#[test]
fn a_signer_that_is_started_anew_goes_on_counting() {
    let mut owned = Owned::start();
    let another = owned.make_ca().map(|made| match made {
        Answer::Made(der) => der,
        other => panic!("{other:?}"),
    });
    let another = another.expect("a CA");
    let mut given = 0;
    for days in 0..10 {
        given += u32::from(owned.vouches(&another, 3000 + days).is_ok());
        owned = owned.start_anew();
    }
    assert_eq!(given, 8, "as many as without a restart");
    assert!(matches!(owned.vouches(&another, 3650), Err(SignError::TooOften { .. })));
}

#[test]
fn who_asks_for_the_same_word_again_gets_the_same_octets_and_it_is_counted_once() {
    let mut owned = Owned::start();
    let Ok(Answer::Made(another)) = owned.make_ca() else { panic!("no CA") };
    let first = owned.vouches(&another, 3650).expect("signed");
    for _ in 0..20 {
        owned = owned.start_anew();
        owned.clock.advance(HOUR / 4);
        assert_eq!(owned.vouches(&another, 3650), Ok(first.clone()));
        assert_eq!(owned.vouches(&another, 9999), Ok(first.clone()), "both CAs end before");
    }
    let given = (0..20).filter(|days| owned.vouches(&another, 3000 + days).is_ok()).count();
    assert_eq!(given, 7, "what is another word counts");
    let other = owned.vouches(&another, 3006).expect("the last one");
    assert_ne!(other, first);
    owned.clock.advance(DAY);
    assert_ne!(owned.vouches(&another, 3650), Ok(first), "one for each pair is kept");
}

#[test]
fn a_word_that_was_revoked_is_not_given_again() {
    let mut owned = Owned::start();
    let Ok(Answer::Made(another)) = owned.make_ca() else { panic!("no CA") };
    let first = owned.vouches(&another, 3650).expect("signed");
    let SignAnswer::Certificate(der) = &first else { panic!("{first:?}") };
    let number = CaCertificate::from_der(der).expect("a CA's").serial();
    owned.list(1, &[(number, RevocationReason::Superseded)]).expect("signed");
    assert_ne!(owned.vouches(&another, 3650), Ok(first.clone()));
    let mut owned = owned.start_anew();
    assert_ne!(owned.vouches(&another, 3650), Ok(first));
}

#[test]
fn who_has_to_wait_with_a_rollover_is_told_how_long_and_it_is_true() {
    let mut owned = Owned::start();
    let Ok(Answer::Made(another)) = owned.make_ca() else { panic!("no CA") };
    (0..8).for_each(|days| drop(owned.vouches(&another, 3000 + days).expect("signed")));
    owned.clock.advance(HOUR * 2);
    let mut owned = owned.start_anew();
    let Ok(Answer::Made(third)) = owned.make_ca() else { panic!("no CA") };
    let Err(SignError::TooOften { again_in }) = owned.rolls_over(&third) else { panic!("signed") };
    assert_eq!(again_in, DAY * 2 - HOUR * 2, "one CA's word for the other, and the other's");
    owned.clock.advance(again_in - Duration::from_secs(2));
    let soon = owned.rolls_over(&third);
    assert_eq!(soon, Err(SignError::TooOften { again_in: Duration::from_secs(2) }));
    owned.clock.advance(Duration::from_secs(2));
    assert_eq!(owned.rolls_over(&third), Ok(()));
}

#[test]
fn what_an_earlier_release_had_left_is_gone_on_with() {
    let mut owned = Owned::start();
    let Ok(Answer::Made(another)) = owned.make_ca() else { panic!("no CA") };
    (0..8).for_each(|days| drop(owned.vouches(&another, 3000 + days).expect("signed")));
    let file = owned.place.folder.join("left");
    let octets = fs::read(&file).expect("written");
    // Three numbers and their moments, and nobody's word after that.
    let former = former_end(&octets);
    fs::write(&file, &octets[..former]).expect("cut");
    let mut owned = owned.start_anew();
    assert!(matches!(owned.vouches(&another, 3007), Err(SignError::TooOften { .. })));
    owned.certificate(device()).expect("those are left");
}

#[test]
fn starts_anew_give_nothing_back_of_what_time_has_added_once() {
    let mut owned = Owned::start();
    owned.spend_all();
    owned.clock.advance(HOUR * 3);
    let mut given = 0;
    for _ in 0..5 {
        owned = owned.start_anew();
        given += owned.spend_all();
    }
    assert!((10_000 - 500..=10_000).contains(&given), "{given} where time gives 10,000");
    owned.clock.advance(Duration::from_secs(300));
    given = 0;
    for _ in 0..5 {
        owned = owned.start_anew();
        given += owned.spend_all();
    }
    assert!((200..=300).contains(&given), "{given} where time gives 300");
}

#[test]
fn a_signer_that_is_started_for_each_signature_spends_no_more_than_it_signs() {
    let mut owned = Owned::start();
    for _ in 0..200 {
        owned.certificate(device()).expect("signed");
        owned = owned.start_anew();
    }
    assert_eq!(owned.spend_all(), 10_000 - 200);
}

#[test]
fn no_ca_is_vouched_for_but_one_whose_key_is_here() {
    let mut owned = Owned::start();
    let new =
        NewCa { key_type: KeyType::P256, serial: serial(8), now: now(), lifetime: DAY * 3650 };
    let stranger = LocalSigner::create(&new).expect("a CA");
    let of = |other: &[u8]| {
        SignRequest::Cross(Box::new(CrossRequest {
            serial: serial(7),
            other: other.to_vec(),
            validity: Validity::starting(now(), DAY * 3650),
            publishing: Publishing::default(),
        }))
    };
    assert_eq!(owned.put(of(stranger.ca().der())), Err(SignError::NoSuchCa));
    let Ok(SignAnswer::Certificate(leaf)) = owned.certificate(server()) else { panic!("no leaf") };
    assert_eq!(owned.put(of(&leaf)), Err(SignError::NotACa));
    let Ok(Answer::Made(another)) = owned.make_ca() else { panic!("no CA") };
    let Ok(SignAnswer::Certificate(cross)) = owned.put(of(&another)) else { panic!("no cross") };
    let [cross, another] =
        [cross, another].map(|der| CaCertificate::from_der(&der).expect("a CA's"));
    assert_eq!((cross.subject(), cross.spki()), (another.subject(), another.spki()));
}

#[test]
fn what_lasts_too_long_or_begins_at_another_time_is_not_signed() {
    let mut owned = Owned::start();
    let days = |days: u32| {
        move |request: &mut CertificateRequest| request.validity.not_after = now().after(DAY * days)
    };
    for (profile, most) in
        [(gateway(), 825), (device(), 3650), (server(), 3650), (ocsp_signer(), 14)]
    {
        let asked = owned.changed(profile.clone(), days(most + 2));
        assert_eq!(asked, Err(SignError::TooLong { days: most.into() }), "{profile:?}");
    }
    for begins in [now().after(DAY * 2), now().before(DAY * 4)] {
        let asked = owned.changed(device(), |request| request.validity.not_before = begins);
        assert_eq!(asked, Err(SignError::NotNow));
    }
}

#[test]
fn the_gateways_name_and_names_without_end_are_not_certified() {
    let mut owned = Owned::start();
    let reserved = Profile::Server { names: vec![pki::RESERVED_GATEWAY_NAME.into()] };
    assert!(matches!(owned.certificate(reserved), Err(SignError::ReservedName(_))));
    let names = (0..1000).map(|n| format!("{n}.example")).collect();
    assert_eq!(owned.certificate(Profile::Server { names }), Err(SignError::TooMuch));
}

#[test]
fn a_revocation_stays_on_every_list_and_a_hold_may_be_lifted() {
    let mut owned = Owned::start();
    let (gone, held) = (serial(1), serial(2));
    let both = [(gone, RevocationReason::KeyCompromise), (held, RevocationReason::CertificateHold)];
    owned.list(1, &both).expect("signed");
    assert_eq!(owned.list(2, &both[1..]), Err(SignError::RevocationDropped(gone)));
    let to_hold = [(gone, RevocationReason::CertificateHold)];
    assert_eq!(owned.list(2, &to_hold), Err(SignError::RevocationDropped(gone)));
    owned.list(2, &both[..1]).expect("the hold is lifted");
}

#[test]
fn a_lists_number_only_grows_also_for_a_signer_that_was_started_anew() {
    let mut owned = Owned::start();
    let gone = [(serial(1), RevocationReason::Superseded)];
    assert_eq!(owned.list(u64::MAX, &[]), Err(SignError::NumberTooHigh), "the first one, too");
    owned.list(7, &gone).expect("signed");
    for _ in 0..2 {
        for older in [1, 6, 7] {
            assert_eq!(owned.list(older, &gone), Err(SignError::NumberNotHigher { last: 7 }));
        }
        assert_eq!(owned.list(8, &[]), Err(SignError::RevocationDropped(gone[0].0)));
        assert_eq!(owned.list(u64::MAX, &gone), Err(SignError::NumberTooHigh));
        owned = owned.start_anew();
    }
    owned.list(8, &gone).expect("signed");
}

#[test]
fn a_ca_whose_last_list_cannot_be_read_signs_no_other_and_certificates_still() {
    let mut owned = Owned::start();
    let gone = [(serial(1), RevocationReason::Superseded)];
    owned.list(7, &gone).expect("signed");
    let files = fs::read_dir(&owned.place.folder).expect("listed").flatten();
    let is_list = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "crl");
    let file = files.map(|entry| entry.path()).find(is_list).expect("noted");
    let whole = fs::read(&file).expect("read");
    let strangers = [&whole[..whole.len() - 1], &[!whole[whole.len() - 1]]].concat();
    for damaged in [&b""[..], &whole[..whole.len() / 2], &strangers] {
        fs::write(&file, damaged).expect("damaged");
        owned = owned.start_anew();
        for list in [&gone[..], &[]] {
            assert_eq!(owned.list(8, list), Err(SignError::LastListUnreadable));
        }
        owned.certificate(device()).expect("that says nothing of lists");
    }
    fs::write(&file, whole).expect("put back");
    owned = owned.start_anew();
    assert_eq!(owned.list(8, &[]), Err(SignError::RevocationDropped(gone[0].0)));
}

#[test]
fn a_start_anew_makes_no_room_for_more_cas() {
    let mut owned = Owned::start();
    for _ in 0..3 {
        while owned.make_ca().is_ok() {}
        owned = owned.start_anew();
    }
    let Err(SignError::TooOften { again_in }) = owned.make_ca() else { panic!("a fifth CA") };
    assert_eq!(again_in, DAY * 4, "the first of the four");
    owned.clock.advance(again_in - Duration::from_secs(1));
    assert!(owned.make_ca().is_err(), "not before");
    owned.clock.advance(Duration::from_secs(1));
    assert!(owned.make_ca().is_ok());
    let Ok(Answer::Cas(all)) = owned.ask(&Ask::Cas) else { panic!("no list") };
    assert_eq!(all.len(), 5);
}

#[test]
fn thousands_of_questions_are_a_busy_day_and_without_end_they_are_theft() {
    let mut owned = Owned::start();
    let asked = owned.spend_all();
    assert!((8_000..30_000).contains(&asked), "{asked}");
}

#[test]
fn whoever_speaks_otherwise_is_hung_up_on() {
    for said in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[1, 0xff, 0xff, 0xff, 0xff],
        &[2, 0, 0, 0, 1, 0],
        &[1, 0, 0, 0, 3, 9, 9, 9],
    ] {
        let mut owned = Owned::start();
        owned.line.write_all(said).expect("sent");
        let mut answer = Vec::new();
        let _ = owned.line.read_to_end(&mut answer);
        assert_eq!(answer, [] as [u8; 0], "{said:?}");
        assert!(owned.serving.take().expect("it ran").join().expect("no panic").is_err());
    }
}

#[test]
fn half_a_key_that_a_killed_signer_left_is_removed_at_the_next_start() {
    let mut owned = Owned::start();
    let left = owned.place.folder.join(".0123.pem.77");
    fs::write(&left, "a part").expect("written");
    owned = owned.start_anew();
    owned.ca_certificate();
    assert!(!left.exists());
}

#[test]
fn the_folder_and_its_files_are_the_owners_alone() {
    let owned = Owned::start();
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&owned.place.folder), 0o700);
    let files: Vec<_> = fs::read_dir(&owned.place.folder).expect("listed").flatten().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0].path()), 0o600);
}

/// A signer, and the end of its line that should be a gateway's.
struct Owned {
    line: UnixStream,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    ca: KeyId,
    place: Place,
    folder: Arc<Folder>,
    clock: VirtualClock,
}

/// Gone with the last signer that works in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Owned {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("signer-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        let place = Place { folder: path.join("ca"), records: path.join("handfast.db") };
        let mut owned = Self::at(place, Arc::new(Folder(path)), VirtualClock::new(NOW));
        owned.make_ca().expect("a CA");
        owned.ca = KeyId::of_spki(owned.ca_certificate().spki());
        owned
    }

    fn at(place: Place, folder: Arc<Folder>, clock: VirtualClock) -> Self {
        let (line, far) = UnixStream::pair().expect("a pair");
        let (there, time) = (place.clone(), clock.clone());
        let serving = move || serve(far, &there, &time, Standing::OnAThread);
        let serving = Some(std::thread::spawn(serving));
        Self { line, serving, ca: KeyId::from_bytes([0; 32]), place, folder, clock }
    }

    fn start_anew(self) -> Self {
        let (place, folder, ca) = (self.place.clone(), Arc::clone(&self.folder), self.ca);
        let clock = self.clock.clone();
        drop(self);
        let mut anew = Self::at(place, folder, clock);
        anew.ca = ca;
        anew
    }

    fn ask(&mut self, ask: &Ask) -> Reply {
        self.line.write_all(&frame::encode(ask).expect("a frame")).expect("sent");
        let mut header = [0; frame::HEADER];
        self.line.read_exact(&mut header).expect("an answer");
        let mut body = vec![0; frame::body_length(header).expect("a length") as usize];
        self.line.read_exact(&mut body).expect("an answer");
        frame::decode(&body).expect("a reply")
    }

    fn make_ca(&mut self) -> Reply {
        self.made(&wish(KeyType::P256))
    }

    /// Asks until it is made.
    fn made(&mut self, wish: &CaWish) -> Reply {
        loop {
            match self.ask(&Ask::MakeCa(wish.clone())) {
                Ok(Answer::Making) => {}
                reply => return reply,
            }
        }
    }

    fn ca_certificate(&mut self) -> CaCertificate {
        let Ok(Answer::Cas(all)) = self.ask(&Ask::Cas) else { panic!("no list") };
        CaCertificate::from_der(&all[0]).expect("a CA")
    }

    fn certificate(&mut self, profile: Profile) -> Result<SignAnswer, SignError> {
        self.changed(profile, |_| ())
    }

    fn changed(
        &mut self,
        profile: Profile,
        change: impl FnOnce(&mut CertificateRequest),
    ) -> Result<SignAnswer, SignError> {
        let mut request = request(profile, key());
        change(&mut request);
        self.sign(request)
    }

    fn sign(&mut self, request: CertificateRequest) -> Result<SignAnswer, SignError> {
        self.put(SignRequest::Certificate(Box::new(request)))
    }

    /// Until no more is signed, and how often something was. What is refused for its name counts as well, and costs
    /// no signature.
    fn spend_all(&mut self) -> usize {
        let long = Profile::Device { user: "u".repeat(64), device: "d".into() };
        let request = request(long, key());
        let is_counted = |_: &usize| match self.sign(request.clone()) {
            Err(SignError::NameTooLong(_)) => true,
            Err(SignError::TooOften { .. }) => false,
            other => panic!("{other:?}"),
        };
        (0..30_000).take_while(is_counted).count()
    }

    fn list(
        &mut self,
        number: u64,
        revoked: &[(Serial, RevocationReason)],
    ) -> Result<Crl, SignError> {
        let entry =
            |(serial, reason): &(_, _)| (*serial, Revocation { at: now(), reason: *reason });
        let revoked: BTreeMap<_, _> = revoked.iter().map(entry).collect();
        let next_update = now().after(DAY * 7);
        let request = CrlRequest { number, this_update: now(), next_update, revoked };
        match self.put(SignRequest::Crl(request))? {
            SignAnswer::Crl(der) => Ok(Crl::from_der(&der).expect("a list")),
            SignAnswer::Certificate(_) => panic!("no list"),
        }
    }

    /// One CA's word for the other, and the other's for it.
    fn rolls_over(&mut self, other: &[u8]) -> Result<(), SignError> {
        let Ok(Answer::Cas(all)) = self.ask(&Ask::Cas) else { panic!("no list") };
        let former = all.into_iter().find(|der| id(der) == self.ca).expect("it is there");
        self.vouches(other, 3650)?;
        let by = std::mem::replace(&mut self.ca, id(other));
        let answer = self.vouches(&former, 3650);
        self.ca = by;
        answer.map(drop)
    }

    /// Has the CA vouch for another, for so many days.
    fn vouches(&mut self, other: &[u8], days: u32) -> Result<SignAnswer, SignError> {
        let at = Timestamp::from(self.clock.now());
        self.put(SignRequest::Cross(Box::new(CrossRequest {
            serial: another_serial(),
            other: other.to_vec(),
            validity: Validity::starting(at, DAY * days),
            publishing: Publishing::default(),
        })))
    }

    fn put(&mut self, request: SignRequest) -> Result<SignAnswer, SignError> {
        match self.ask(&Ask::Sign { ca: self.ca, request })? {
            Answer::Signed(answer) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.line.shutdown(std::net::Shutdown::Both);
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

fn request(profile: Profile, public_key: PublicKey) -> CertificateRequest {
    let days = if let Profile::OcspSigner { .. } = profile { 14 } else { 365 };
    CertificateRequest {
        serial: serial(3),
        profile,
        public_key,
        validity: Validity::starting(now(), DAY * days),
        publishing: Publishing::default(),
    }
}

fn wish(key_type: KeyType) -> CaWish {
    let names = NameConstraints::default();
    CaWish { key_type, serial: serial(9), lifetime: DAY * 3650, names }
}

fn gateway() -> Profile {
    Profile::Gateway { names: vec!["vpn.example".into()] }
}

fn device() -> Profile {
    Profile::Device { user: "alice".into(), device: "phone".into() }
}

fn server() -> Profile {
    Profile::Server { names: vec!["www.example".into()] }
}

fn peer() -> Profile {
    Profile::Peer { names: vec!["mx.example".into()] }
}

fn client() -> Profile {
    Profile::Client { name: "robot".into() }
}

fn ocsp_signer() -> Profile {
    Profile::OcspSigner { name: "OCSP".into() }
}

fn key() -> PublicKey {
    PrivateKey::generate(KeyType::P256).expect("a key").public_key().clone()
}

fn public_key_of(ca: &CaCertificate) -> PublicKey {
    PublicKey::from_spki(ca.spki()).expect("a key")
}

fn id(certificate: &[u8]) -> KeyId {
    KeyId::of_spki(CaCertificate::from_der(certificate).expect("a CA's").spki())
}

/// Where in the file with what is left an earlier release's ended: after three numbers and their moments.
fn former_end(octets: &[u8]) -> usize {
    let mut at = 0;
    for _ in 0..3 {
        at += octets[at..].iter().take_while(|octet| **octet & 0x80 != 0).count() + 1;
        at += usize::from(octets[at]) + 1;
    }
    at
}

/// No two are the same.
fn another_serial() -> Serial {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Serial::from_random(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes())
}

fn serial(number: u8) -> Serial {
    Serial::from_random([number; 16])
}

fn now() -> Timestamp {
    NOW.into()
}

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// 2027-01-15.
const NOW: Now = Now { boot: Duration::from_secs(9), wall: Duration::from_secs(1_800_000_000) };
