//! `replay`: a case that did not pass is heard again, step by step, and its question is put into files from which
//! it can be asked by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Said, Trouble, judge, terminal};
use crate::cases;
use crate::court::Bench;
use crate::declaration::Declaration;
use crate::doctor;
use crate::encoding::standard_base64;
use crate::published::Publication;
use crate::results::{Outcome, Results};
use crate::run::Exit;
use crate::tape::Held;
use crate::verdict::{Finding, hear_and_hold, hear_until_sure};

/// Characters of a line of PEM.
const PEM_LINE: usize = 64;

/// Hears the case of a finding again.
pub(super) fn replay(folder: &Path, results: Option<&Path>, id: &str) -> Result<Said, Trouble> {
    let path = results.map_or_else(|| judge::report_folder(folder).join("results.json"), Path::to_owned);
    let results = Results::read(&path)?;
    let wanted = |finding: &&Finding| finding.id.as_deref() == Some(id) || finding.case == id;
    let finding = results.findings.iter().find(wanted);
    let finding = finding.ok_or_else(|| Trouble::UnknownFinding { id: id.to_owned(), path: path.clone() })?;
    let case = cases::all().into_iter().find(|case| case.name == finding.case);
    let case = case.ok_or_else(|| Trouble::UnknownId(finding.case.clone()))?;
    let seed: u64 = results.seed.parse().map_err(|_| Trouble::Seed(results.seed.clone()))?;
    let declaration = Declaration::load(folder)?;
    let publication = Publication::compiled_in()?;
    let bench = declaration.bench(seed)?;
    let looks = doctor::look(&bench, declaration.profiles, &declaration.directory()?);
    if looks.iter().any(|look| !look.holds) {
        return Ok(Said { text: looks.iter().map(judge::line).collect(), exit: Exit::Environment });
    }
    let again = Finding { id: finding.id.clone(), ..hear_until_sure(&bench, case) };
    let mut text = format!("{}: {}\nseed {seed}, steps of the first hearing:\n", case.name, case.claim);
    let first = again.hearings.first();
    for (place, exchange) in first.iter().flat_map(|hearing| &hearing.exchanges).enumerate() {
        text += &(terminal::step(place + 1, exchange) + "\n");
    }
    if let Some(left_out) = first.map(|hearing| hearing.exchanges_left_out).filter(|count| *count > 0) {
        let _ = writeln!(text, "{left_out} steps in the middle are left out");
    }
    text += &(terminal::finding(&again, &publication, folder) + "\n");
    let question = first.and_then(|hearing| hearing.question);
    let held = question.and_then(|place| hear_and_hold(&bench, case, place));
    if let Some(held) = held {
        let place = folder.join("replay").join(&finding.case);
        text += &by_hand(&held, &bench, &place)?;
    }
    Ok(Said { text, exit: Outcome::of(&[again], false).exit() })
}

/// Writes the request and what it is shown with to files, and says how to send it.
fn by_hand(held: &Held, bench: &Bench, folder: &Path) -> Result<String, Trouble> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| Trouble::Results { path, cause }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(failed(&path)).map(|()| path)
    };
    let raw = write("request.http", &held.bytes)?;
    let mut shown = Vec::new();
    if let Some(identity) = &held.identity {
        let certificate = write("client.pem", pem("CERTIFICATE", &identity.certificate).as_bytes())?;
        let key = folder.join("client.key");
        // A key of an earlier replay stands in the way of a new file.
        let _ = std::fs::remove_file(&key);
        crate::declaration::write_secret(&key, pem("PRIVATE KEY", &identity.key).as_bytes())?;
        shown = vec![("--cert", certificate), ("--key", key)];
    }
    let subject = &bench.subject;
    let request = Readable::of(&held.bytes);
    let command = match &request {
        Some(request) if request.plain => {
            let body = write("body", request.content)?;
            curl(request, (subject.host.as_str(), subject.port), &subject.server_pins, (&shown, &body))
        }
        _ => openssl((subject.host.as_str(), subject.port), &shown, &raw),
    };
    Ok(format!(
        "\nthe same question, freshly signed and never sent before; it can be asked once:\n\n{command}\n"
    ))
}

/// A request as text.
struct Readable<'a> {
    method: &'a str,
    target: &'a str,
    fields: Vec<(&'a str, &'a str)>,
    content: &'a [u8],
    /// Whether `curl` would send the same.
    plain: bool,
}

impl<'a> Readable<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let fields: Vec<(&str, &str)> =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
        let content = &bytes[end + 4..];
        let is = |name: &str| fields.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name)).count();
        let length = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let fits = length.map_or(content.is_empty(), |(_, told)| told.parse() == Ok(content.len()));
        let plain = is("transfer-encoding") == 0 && is("host") == 1 && fits;
        Some(Self { method, target, fields, content, plain })
    }
}

fn curl(
    request: &Readable<'_>,
    (host, port): (&str, u16),
    pins: &[String],
    (shown, body): (&[(&str, PathBuf)], &Path),
) -> String {
    let pins: Vec<String> = pins.iter().map(|pin| format!("sha256//{}", standard_pin(pin))).collect();
    let mut parts = vec![
        "curl --silent --show-error --include --http1.1 --tlsv1.3".to_owned(),
        // The pin says who it is; no certificate authority does.
        format!("--insecure --pinnedpubkey {}", quoted(&pins.join(";"))),
    ];
    parts.extend(shown.iter().map(|(name, path)| format!("{name} {}", quoted(&path.display().to_string()))));
    parts.push(format!("--request {}", request.method));
    for (name, value) in &request.fields {
        if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
            parts.push(format!("--header {}", quoted(&format!("{name}: {value}"))));
        }
    }
    if !request.content.is_empty() || request.method == "PUT" {
        parts.push(format!("--data-binary {}", quoted(&format!("@{}", body.display()))));
    }
    parts.push("--path-as-is".to_owned());
    parts.push(quoted(&format!("https://{}:{port}{}", bracketed(host), request.target)));
    parts.join(" \\\n  ")
}

fn openssl((host, port): (&str, u16), shown: &[(&str, PathBuf)], raw: &Path) -> String {
    let mut parts = vec![format!("openssl s_client -quiet -tls1_3 -connect {}:{port}", bracketed(host))];
    parts.extend(
        shown.iter().map(|(name, path)| format!("{} {}", &name[1..], quoted(&path.display().to_string()))),
    );
    parts.push(format!("< {}", quoted(&raw.display().to_string())));
    parts.join(" \\\n  ")
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// A pin of the directory as `curl` wants it: base64 with padding.
fn standard_pin(pin: &str) -> String {
    crate::encoding::from_base64url(pin).map_or_else(|| pin.to_owned(), |bytes| standard_base64(&bytes))
}

/// Text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = standard_base64(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(PEM_LINE) {
        out += &String::from_utf8_lossy(line);
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_request_becomes_a_command_and_others_are_sent_as_they_are() {
        let bytes = b"PUT /330/v1/x HTTP/1.1\r\nHost: a:1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        let request = Readable::of(bytes).unwrap();
        assert!(request.plain);
        let shown = [("--cert", PathBuf::from("it's.pem"))];
        let pins = ["_____________________________________________w".to_owned()];
        let told = curl(&request, ("::1", 8443), &pins, (&shown, Path::new("body")));
        for part in [
            "--cert 'it'\\''s.pem'",
            "--request PUT",
            "--header 'Content-Type: application/json'",
            "--data-binary '@body'",
            "'https://[::1]:8443/330/v1/x'",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(!told.contains("Content-Length") && !told.contains("Host:"), "{told}");
        let chunked = b"PUT /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(!Readable::of(chunked).unwrap().plain);
        let longer = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{}";
        assert!(!Readable::of(longer).unwrap().plain);
        assert!(openssl(("h", 1), &shown, Path::new("r")).contains("-cert 'it'\\''s.pem'"));
    }
}
