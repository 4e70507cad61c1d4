//! One authority of the demonstration: a folder, a server process, and its officer's commands.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{WAIT_MAX, later};
use crate::command::{CommandError, directory, init, output};

/// Codes of the register, and where each is.
const AUTHORITIES: [(&str, &str); 3] = [("373", "Sheffield"), ("330", "Birmingham"), ("383", "Leeds")];
/// Time that a server gets to stop by itself.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// One authority.
pub(super) struct Party {
    pub(super) code: AuthorityCode,
    pub(super) name: String,
    pub(super) config: PathBuf,
    operations: SocketAddr,
    server: Option<Child>,
}

/// Makes keys, certificates and a signed directory, and starts the three servers.
pub(super) async fn start_all(folder: &Path) -> Result<Vec<Party>, CommandError> {
    output::progress("making keys, certificates and a signed directory for three authorities");
    let mut parties = Vec::new();
    let mut records = Vec::new();
    for (code, name) in AUTHORITIES {
        let code: AuthorityCode =
            code.parse().map_err(|_| CommandError::said("a code of the demonstration is not one"))?;
        let home = folder.join(code.as_ref());
        let [listen, operations] = free_addresses()?;
        let config = init::deployment(&home, code, listen, operations)?;
        // On one machine a peer that is down is back in moments.
        append(
            &config,
            "\n[delivery]\nfirst_pause_ms = 200\npause_ms_max = 1000\nper_peer_max = 4\nin_all_max = 64\n",
        )?;
        later::put_ahead(&config, 0)?;
        records.push(home.join(format!("{code}.record.json")));
        parties.push(Party { code, name: name.to_owned(), config, operations, server: None });
    }
    let issue = directory::for_records(&records, folder)?;
    for party in &mut parties {
        let home = party.config.parent().unwrap_or(folder);
        std::fs::copy(&issue, home.join("directory.json"))?;
        party.start().await?;
    }
    Ok(parties)
}

/// Every server stops, and is there again so many seconds later, by the clocks of all of them.
pub(super) async fn go_on_later(parties: &mut [Party], seconds: i64) -> Result<(), CommandError> {
    stop_all(parties).await;
    for party in parties {
        later::put_ahead(&party.config, seconds)?;
        party.start().await?;
    }
    Ok(())
}

pub(super) async fn stop_all(parties: &mut [Party]) {
    for party in parties {
        party.stop().await;
    }
}

/// Two free loopback addresses. Another program could take one in between; the server then says so.
fn free_addresses() -> Result<[SocketAddr; 2], CommandError> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

fn append(config: &Path, text: &str) -> Result<(), CommandError> {
    let written = std::fs::read_to_string(config)?;
    let kept = written.split("\n[delivery]").next().unwrap_or(&written);
    std::fs::write(config, format!("{kept}{text}"))?;
    Ok(())
}

impl Party {
    /// Starts the server and waits until it is ready.
    pub(super) async fn start(&mut self) -> Result<(), CommandError> {
        let begun = Instant::now();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.config.with_file_name("server.log"))?;
        let mut server = Command::new(std::env::current_exe()?)
            .arg("--config")
            .arg(&self.config)
            .args(["demo-child", "serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        while !self.is_ready().await {
            if let Some(status) = server.try_wait()? {
                let log =
                    std::fs::read_to_string(self.config.with_file_name("server.log")).unwrap_or_default();
                return Err(CommandError::said(format!(
                    "the server of {} ended ({status}):\n{log}",
                    self.name
                )));
            }
            if begun.elapsed() > WAIT_MAX {
                return Err(CommandError::said(format!("the server of {} does not become ready", self.name)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        output::progress(&format!(
            "{} ({}) serves, ready after {} ms",
            self.name,
            self.code,
            begun.elapsed().as_millis()
        ));
        self.server = Some(server);
        Ok(())
    }

    /// One request to the health listener, by hand: it needs no client.
    async fn is_ready(&self) -> bool {
        let Ok(mut stream) = tokio::net::TcpStream::connect(self.operations).await else { return false };
        let request = b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let mut answer = Vec::new();
        stream.write_all(request).await.is_ok()
            && stream.read_to_end(&mut answer).await.is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    }

    /// Ends the server, as an operator would.
    pub(super) async fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        if let Some(pid) = server.id() {
            let ended = Command::new("kill").arg(pid.to_string()).status().await;
            if ended.is_ok_and(|status| status.success())
                && tokio::time::timeout(STOP_WITHIN, server.wait()).await.is_ok()
            {
                return;
            }
        }
        let _ = server.kill().await;
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.server.as_ref().and_then(Child::id)
    }

    /// The server goes on when this process ends.
    pub(super) fn let_go(&mut self) {
        if let Some(server) = self.server.take() {
            std::mem::forget(server);
        }
    }

    /// A command of the binary with this authority's configuration; gives what it prints.
    pub(super) async fn command(
        &self,
        arguments: &[&str],
        input: Option<&Value>,
    ) -> Result<String, CommandError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--config")
            .arg(&self.config)
            .arg("demo-child")
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input.to_string().as_bytes()).await?;
        }
        let done = child.wait_with_output().await?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(CommandError::said(format!(
                "{}: {}: {}",
                self.name,
                arguments.join(" "),
                said.trim()
            )));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// An officer's command, with its answer.
    pub(super) async fn office(
        &self,
        arguments: &[&str],
        input: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let arguments: Vec<&str> = std::iter::once("office").chain(arguments.iter().copied()).collect();
        let text = self.command(&arguments, input).await?;
        serde_json::from_str(&text).map_err(|error| CommandError::said(error.to_string()))
    }

    /// This authority's copy of a transfer, or nothing when it has none yet.
    pub(super) async fn stage(&self, transfer: TransferId) -> Result<Option<(String, u64)>, CommandError> {
        let list = self.office(&["list"], None).await?;
        let transfers = list["transfers"].as_array().cloned().unwrap_or_default();
        let found = transfers.iter().find(|view| view["transfer"] == transfer.to_string());
        Ok(found
            .and_then(|view| Some((view["stage"].as_str()?.to_owned(), view["asOf"]["sequence"].as_u64()?))))
    }

    /// This authority's export of a transfer.
    pub(super) async fn export(&self, transfer: TransferId) -> Result<String, CommandError> {
        self.command(&["ledger", "export", "--transfer", &transfer.to_string()], None).await
    }
}
