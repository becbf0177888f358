//! The same commands through the control socket of a gateway that holds the data folder.
//!
//! The gateway is the real one without its VPN, run inside the test.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;

use clock::SystemClock;
use gateway::Gateway;
use gateway::control::ControlServer;
use gateway::data::DataDir;
use tokio::runtime::Runtime;

use crate::Cli;

#[test]
fn changes_go_through_the_running_gateway() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files");
    assert_eq!(
        cli.ok("device revoke alice"),
        "revoked device alice/default: 1 certificate revoked, CRL 2 signed\n\
         revoked certificate [SERIAL]\n"
    );
    assert!(cli.ok("events").contains("user_added"));
}

#[test]
fn status_sessions_and_figures_are_answered() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    let status = cli.ok("status");
    assert!(status.contains("\nreached at   vpn.example.net:1194\n"), "{status}");
    assert!(status.contains("\nsessions     0\n"), "{status}");
    assert_eq!(cli.ok("sessions"), "nobody is connected\n");
    assert_eq!(cli.ok("kick --session 1"), "no session was open; nothing was closed\n");
    let figures = cli.ok("status --prometheus");
    assert!(figures.contains("# TYPE handfast_"), "{figures}");
    assert!(cli.ok("status --json").contains("\"sessions\": 0,"));
}

#[test]
fn events_are_followed_as_they_happen() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    let mut following =
        cli.command("events --follow --json --limit 1").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    cli.ok("user add alice");
    let line = lines.next().unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["what"], "user_added");
    following.kill().unwrap();
    following.wait().unwrap();
}

/// A gateway that answers until it is dropped.
struct Running {
    _runtime: Runtime,
}

impl Running {
    fn on(cli: &Cli) -> Self {
        let runtime = Runtime::new().unwrap();
        let data = DataDir::new(cli.path("data"));
        let gateway = runtime.block_on(Gateway::open(data.clone(), Arc::new(SystemClock))).unwrap();
        let server = runtime.block_on(async { ControlServer::bind(&data) }).unwrap();
        runtime.spawn(server.serve(Arc::new(gateway)));
        Self { _runtime: runtime }
    }
}
