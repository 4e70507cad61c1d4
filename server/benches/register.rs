//! How long an import of very many invented children takes, and how much memory, by the built server's own
//! commands.
//!
//! ```sh
//! cargo bench -p cme-server --bench register -- --json
//! ```
//!
//! `docs/register.md` says what came out.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use cme_matching::Sex;
use cme_matching::generate::{Whom, World};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_cme-server");
/// Between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Imports invented children, twice, starts a server on them and asks for some.
#[derive(Parser)]
struct Options {
    /// Children in the register, about.
    #[arg(long, default_value_t = 1_000_000)]
    children: usize,
    /// Queries that are asked for at once.
    #[arg(long, default_value_t = 20_000)]
    queries: usize,
    /// The URL of a PostgreSQL database to use instead of a new SQLite file.
    #[arg(long)]
    postgres: Option<String>,
    /// Print the report as JSON; what is for people goes to standard error.
    #[arg(long)]
    json: bool,
    /// Said by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let operations = deployment(home, options.postgres.as_deref())?;
    let world = World::new(options.children, 2);
    let held = world.register().map(|(id, child)| (id.0, child));
    write_csv(&home.join("children.csv"), held)?;
    let asked = world.queries(options.queries, Whom::Anyone, 3);
    write_csv(&home.join("queries.csv"), (0..).zip(asked.into_iter().map(|asked| asked.query)))?;
    let import = ["register", "import", "children.csv", "--source", "bench", "--replace"];
    let first = run(home, "first import", &import)?;
    let again = run(home, "the same again", &import)?;
    let bulk = run(home, "queries", &["register", "match", "queries.csv", "--out", "result.csv"])?;
    let served = serve(home, operations)?;
    if options.json {
        let report = json!({ "children": options.children, "firstImport": first, "again": again,
                             "queries": options.queries, "match": bulk, "serve": served });
        println!("{report:#}");
    }
    Ok(())
}

/// An authority that knows itself alone, in a folder; gives its operator's address.
fn deployment(home: &Path, postgres: Option<&str>) -> Result<std::net::SocketAddr, Box<dyn Error>> {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let (listen, operations) = (free()?, free()?);
    let (url, at, pages) = (format!("https://{listen}/373"), listen.to_string(), operations.to_string());
    for arguments in [
        &["init", "--authority", "373", "--base-url", &url, "--listen", &at, "--operations", &pages][..],
        &[
            "directory",
            "make",
            "--out",
            "draft.json",
            "--root-key",
            "root.pem",
            "--record",
            "373.record.json",
        ],
        &["directory", "sign", "draft.json", "--root-key", "root.pem", "--out", "directory.json"],
    ] {
        let output = Command::new(BINARY).args(arguments).current_dir(home).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    if let Some(url) = postgres {
        let config = home.join("cme-server.toml");
        let text = std::fs::read_to_string(&config)?;
        std::fs::write(config, text.replace("cme.sqlite", url))?;
    }
    Ok(operations)
}

fn write_csv(
    path: &Path,
    children: impl Iterator<Item = (u64, cme_matching::Child)>,
) -> Result<(), Box<dyn Error>> {
    let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(path)?));
    writer.write_record([
        "reference",
        "given_name",
        "middle_names",
        "family_name",
        "former_family_names",
        "also_known_as",
        "date_of_birth",
        "sex",
        "upn",
        "former_upns",
        "nhs_number",
        "postcode",
    ])?;
    for (id, child) in children {
        let text = Option::unwrap_or_default;
        let sex = child.sex.map(|sex| if sex == Sex::Female { "F" } else { "M" });
        writer.write_record([
            &id.to_string(),
            &text(child.given_name),
            &text(child.middle_names),
            &text(child.family_name),
            &child.former_family_names.join(";"),
            &child.also_known_as.join(";"),
            &child.date_of_birth.map(|date| date.to_string()).unwrap_or_default(),
            sex.unwrap_or_default(),
            &text(child.upn),
            &child.former_upns.join(";"),
            &text(child.nhs_number),
            &text(child.postcode),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

/// Runs a command of the server; how long it took and how much memory.
fn run(home: &Path, what: &str, arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
    let begun = Instant::now();
    let mut command = Command::new(BINARY);
    let mut child = command.args(arguments).current_dir(home).stdout(Stdio::piped()).spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak_megabytes(&child).max(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let seconds = begun.elapsed().as_secs_f64();
    let mut said = String::new();
    child.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
    let _ = std::fs::remove_file(home.join("result.csv"));
    eprintln!("{what}: {seconds:.1} s, {peak} MB at most: {}", said.trim());
    if !status.success() {
        return Err(format!("{what} failed").into());
    }
    Ok(json!({ "seconds": seconds, "peakMegabytes": peak, "said": said.trim() }))
}

/// The most memory that a process has had so far; nought where the system does not say.
fn peak_megabytes(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Starts a server and waits for its register.
fn serve(home: &Path, operations: std::net::SocketAddr) -> Result<Value, Box<dyn Error>> {
    let begun = Instant::now();
    let mut server = Command::new(BINARY).arg("serve").current_dir(home).stderr(Stdio::null()).spawn()?;
    let is_ready = || {
        let mut stream = TcpStream::connect(operations).ok()?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.contains("cme_register_children{").then_some(())
    };
    while is_ready().is_none() {
        std::thread::sleep(LOOK_EVERY);
    }
    let (seconds, peak) = (begun.elapsed().as_secs_f64(), peak_megabytes(&server));
    server.kill()?;
    server.wait()?;
    eprintln!("a server's register: ready after {seconds:.1} s, {peak} MB at most");
    Ok(json!({ "readySeconds": seconds, "peakMegabytes": peak }))
}
