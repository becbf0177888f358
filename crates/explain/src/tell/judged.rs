//! What a step of a certificate leaves open once somebody has judged that certificate, in the same story.
//!
//! A sentence of the catalogue says what the wire alone leaves open. Where the story has the judgement, it points there.

use crate::catalogue::Kind;
use crate::place::Side;
use crate::story::{Certificate, Ending, Means, Story};

impl Story {
    /// The client that tells it has judged the server's certificate: whether it would go on with that server.
    pub fn server_was_judged(&mut self, is_trusted: bool) {
        let own = |one: &&Certificate| one.shown_by == Side::Server && one.depth == 0;
        let certificate = self.certificates.iter().find(own);
        let answers = certificate.into_iter().flat_map(|one| &one.inquiries);
        let is_vouched_for = answers.into_iter().any(|one| one.answer == "good");
        let of_client = match (is_trusted, is_vouched_for) {
            (true, true) => &VOUCHED_FOR,
            (true, false) => &TRUSTED,
            (false, _) => &NOT_TRUSTED,
        };
        for step in self.steps.iter_mut().filter(|step| step.handshake == 0) {
            let is = |kinds: &[Kind]| kinds.iter().any(|kind| kind.entry().name == step.entry);
            let open = match () {
                () if is(SHOWN) => of_client.shown,
                () if is(PROVED) => of_client.proved,
                () if is(&[Kind::ServerFinished]) => of_client.finished,
                () => continue,
            };
            open.clone_into(&mut step.leaves_open);
        }
    }

    /// The gateway that tells it has judged the client's certificate.
    pub(crate) fn client_was_judged(&mut self) {
        let own = |one: &&Certificate| one.shown_by == Side::Client && one.depth == 0;
        let certificates = self.certificates.iter().filter(own);
        let mut answers = certificates.flat_map(|one| &one.inquiries);
        let has_records =
            answers.any(|one| one.means == Means::Records && one.answer != "not_asked");
        let refused_at = match &self.ending {
            Ending::Broken(broken) if broken.by == Some(Side::Server) => broken.at_step,
            _ => None,
        };
        let is_of_it = |entry: &str| {
            [Kind::ClientCertificate, Kind::ClientCertificateVerify]
                .iter()
                .any(|kind| kind.entry().name == entry)
        };
        let is_refused =
            self.steps.iter().any(|step| Some(step.number) == refused_at && is_of_it(&step.entry));
        let (shown, proved) = match (has_records, is_refused) {
            (_, true) => REFUSED,
            (true, false) => ON_RECORD,
            (false, false) => return,
        };
        for step in self.steps.iter_mut().filter(|step| is_of_it(&step.entry)) {
            let is_shown = step.entry == Kind::ClientCertificate.entry().name;
            let open = if is_shown { shown } else { proved };
            open.clone_into(&mut step.leaves_open);
        }
    }
}

/// What is left open behind each step of the server's certificate.
struct Open {
    shown: &'static str,
    proved: &'static str,
    finished: &'static str,
}

const SHOWN: &[Kind] = &[Kind::ServerCertificate];
const PROVED: &[Kind] = &[Kind::ServerCertificateVerify, Kind::ServerKeyExchange];

const VOUCHED_FOR: Open = Open {
    shown: "Whether the server holds its key, and what happened since the CA's word on revocation was signed.",
    proved: "What happened since the CA's word on revocation was signed. This client trusts the CA, as its findings say.",
    finished: "What happened since the CA's word on revocation was signed. This client's findings have what it thinks of the rest.",
};
const TRUSTED: Open = Open {
    shown: "Whether the server holds its key, and whether the certificate was revoked: no word of the CA on that was seen.",
    proved: "Whether the certificate was revoked: no word of the CA on that was seen. This client trusts the CA, as its findings say.",
    finished: "Whether the certificate was revoked. This client's findings have what it thinks of the rest.",
};
const NOT_TRUSTED: Open = Open {
    shown: "Whether the server holds its key. This client does not accept the certificate, as its findings say.",
    proved: "Nothing more: this client does not accept the certificate, as its findings say.",
    finished: "Nothing more: this client does not accept the certificate, as its findings say.",
};

/// Of the client's: where it was shown, and where its key was proved.
const ON_RECORD: (&str, &str) = (
    "Whether the client holds its key. What the gateway's records say of the certificate stands in its box.",
    "Nothing more: what the gateway's records say of the certificate stands in its box.",
);
const REFUSED: (&str, &str) = (
    "Whether the client holds its key. The end says why the gateway turns it away.",
    "Nothing more: the end says why the gateway turns the client away.",
);
