//! Reference server of the CME transfer protocol.

use std::process::ExitCode;

use clap::Parser as _;
use cme_server::command::{Cli, run};
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(cli.serves());
    run(cli).await
}

/// Structured lines on standard error for a server; warnings only, in plain text, for a command.
fn start_logging(serves: bool) {
    let filter =
        |default: &str| EnvFilter::try_from_env("CME_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt().with_writer(std::io::stderr);
    if serves {
        logs.json().flatten_event(true).with_env_filter(filter("info")).init();
    } else {
        logs.without_time().with_env_filter(filter("error")).init();
    }
}
