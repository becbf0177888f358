//! The line to the running gateway, or to the data itself while none runs.

use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use admin::protocol::Reply;
use admin::request::Request;
use clock::SystemClock;
use gateway::Admin;
use gateway::data::DataDir;
use tokio::runtime::{Builder, Runtime};

use super::patience::Patience;

/// An open line. While it is one to the data itself, nobody else can change them.
#[derive(Debug)]
pub(crate) struct Line {
    runtime: Runtime,
    admin: Admin,
}

impl Line {
    /// Finds the gateway, or opens the data.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::new(FailureKind::Environment, "the command can't start its threads")
                .caused_by(&error)
                .hint("see the limits of processes and memory: `ulimit -a`")
        })?;
        let data = DataDir::new(data);
        let opening = Admin::connect_or_open(&data, Arc::new(SystemClock));
        let admin = runtime.block_on(opening)?;
        Ok(Self { runtime, admin })
    }

    /// Whether a running gateway answers.
    pub(crate) fn is_to_running_gateway(&self) -> bool {
        self.admin.is_remote()
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        // Who waits for something to happen knows that.
        let _patience = (!request.waits()).then(|| Patience::start("working"));
        self.runtime.block_on(self.admin.call(request))
    }

    /// Hangs up once everything is on the disk.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.admin.close());
    }
}

/// One question on a line of its own.
pub(crate) fn ask(data: &Path, request: Request) -> Reply {
    let mut line = Line::open(data)?;
    let reply = line.ask(request)?;
    line.close();
    Ok(reply)
}
