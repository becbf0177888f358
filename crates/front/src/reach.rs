//! At which addresses a virtual server answers, told without a client: as [`crate::table`] chooses.
//!
//! Not here: conditions. Invariant: an address is named where anybody who asks there for one of the server's names may
//! come to it, whatever is inside the client's TLS.

use starttls::Protocol as Spoken;

use crate::mode::Protocol;
use crate::settings::{Listen, Settings, VirtualServer};

impl Settings {
    /// Where this server of these settings answers.
    pub fn reached_at<'a>(
        &'a self,
        server: &'a VirtualServer,
    ) -> impl Iterator<Item = &'a Listen> + 'a {
        self.listen.iter().filter(move |listen| self.leads_to(listen, server))
    }

    fn leads_to(&self, listen: &Listen, server: &VirtualServer) -> bool {
        // Where TLS begins at once a client need not say what is inside.
        let spoken = listen.spoken_before_tls();
        listen.takes(Protocol::Tls) || spoken.is_some_and(|spoken| self.is_meant(server, spoken))
    }

    /// Whether it has clients of this protocol: it names that, or names none where nobody else of its name does.
    fn is_meant(&self, server: &VirtualServer, spoken: Spoken) -> bool {
        let speaks = |one: &VirtualServer| one.protocols().iter().any(|own| own == spoken.name());
        let mut names = server.names.iter();
        let is_taken =
            |name| self.server.iter().any(|other| other.names.contains(name) && speaks(other));
        speaks(server) || server.protocols().is_empty() && names.any(|name| !is_taken(name))
    }
}

impl Listen {
    /// What clients speak there until TLS begins.
    fn spoken_before_tls(&self) -> Option<Spoken> {
        let shared = self.takes(Protocol::Postgres).then_some(Spoken::Postgresql);
        self.mode.starttls().or(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_protocols_answers_wherever_no_other_of_its_name_is_meant() {
        let all = settings("");
        assert_eq!(at(&all, 0), [443, 587, 143, 5432]);
        let all = settings("alpn = [\"submission\"]\n");
        assert_eq!(at(&all, 0), [443, 587]);
        let rival = "[[server]]\nnames = [\"mail.test\"]\nbackend = \"tcp:127.0.0.1:2\"\nalpn = [\"imap\"]\n";
        let all = settings(rival);
        assert_eq!((at(&all, 0), at(&all, 1)), (vec![443, 587, 5432], vec![443, 143]));
    }

    #[test]
    fn requests_are_answered_where_tls_begins_at_once_and_nowhere_else() {
        let mut all = settings("");
        all.server[0].backend = Some("http://127.0.0.1:2".parse().unwrap());
        assert_eq!(at(&all, 0), [443]);
    }

    fn at(all: &Settings, server: usize) -> Vec<u16> {
        all.reached_at(&all.server[server]).map(|listen| listen.address.port()).collect()
    }

    /// A web port, two with STARTTLS, one for databases, one in the clear; and a server with `more`.
    fn settings(more: &str) -> Settings {
        let listens = [
            (443, "implicit"),
            (587, "starttls:submission"),
            (143, "starttls:imap"),
            (5432, "shared\"\nprotocols = [\"postgresql\", \"http\"]\n#\""),
            (80, "http"),
        ];
        let listens = listens.map(|(port, mode)| {
            format!("[[listen]]\naddress = \"[::]:{port}\"\nmode = \"{mode}\"\n")
        });
        let server = "[[server]]\nnames = [\"mail.test\"]\nbackend = \"tcp:127.0.0.1:1\"\n";
        let text = listens.concat() + server + more;
        toml::from_str(&text).unwrap()
    }
}
