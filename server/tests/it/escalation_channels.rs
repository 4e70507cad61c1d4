//! The channels to the escalation contacts as an operator sets them up: TLS, accounts, mistakes, the test.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::escalation::world;
use crate::support::{BINARY, PATIENCE, Party, World};
use crate::told::{Authority, Protection, Receiver, Relay};

/// Adds `[escalation...]` sections to a party's configuration.
fn add(party: &Party, sections: &str) {
    let config = std::fs::read_to_string(party.config()).unwrap();
    std::fs::write(party.config(), format!("{config}\n{sections}")).unwrap();
}

/// `escalation test`: whether it succeeded, and what it said.
fn test(party: &Party) -> (bool, String) {
    let output = party.run(&["escalation", "test"], None);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn smtp(relay: &Relay, security: &str, more: &str) -> String {
    format!(
        "[escalation]\nattempt_ms_max = 5000\n[escalation.smtp]\nhost = \"127.0.0.1\"\nport = {}\n\
         from = \"cme@sheffield.example\"\nsecurity = \"{security}\"\n{more}\n",
        relay.address.port()
    )
}

fn with(sections: &str, files: &[(&str, &str)]) -> World {
    let world = world();
    for (name, content) in files {
        std::fs::write(world.party("373").home.join(name), content).unwrap();
    }
    add(world.party("373"), sections);
    world
}

#[test]
fn a_test_message_goes_under_tls_to_a_relay_that_asks_for_an_account() {
    let authority = Authority::new();
    let account = "authority = \"ca.pem\"\nuser = \"council\"\npassword_file = \"relay.password\"\n\
                   to = \"Duty <duty@council.example>\"";
    for (security, protection) in [
        ("starttls", Protection::Starttls(authority.server.clone())),
        ("tls", Protection::Tls(authority.server.clone())),
    ] {
        let relay = Relay::start(protection);
        let files = [("ca.pem", authority.pem.as_str()), ("relay.password", "pass word\n")];
        let world = with(&smtp(&relay, security, account), &files);
        let (sent, said) = test(world.party("373"));
        assert!(sent && said.contains("email to duty@council.example, through 127.0.0.1:"), "{said}");
        let letters = relay.letters();
        assert_eq!(letters.len(), 1, "{said}");
        assert!(letters[0].secured);
        assert_eq!(letters[0].account.as_deref(), Some("/council/pass word"));
        assert_eq!(letters[0].field("Subject"), "CME: test message of Sheffield (373)");
    }
}

#[test]
fn a_relay_that_cannot_be_trusted_is_told_nothing() {
    let (theirs, ours) = (Authority::new(), Authority::new());
    let stripped = Relay::start(Protection::None);
    let world = with(&smtp(&stripped, "starttls", "authority = \"ca.pem\""), &[("ca.pem", &ours.pem)]);
    let (sent, said) = test(world.party("373"));
    assert!(!sent && said.contains("STARTTLS failed"), "{said}");
    assert!(!stripped.commands().iter().any(|command| command.starts_with("MAIL")), "nothing in the clear");
    // Another authority's certificate, and one that no public authority knows.
    for (authority, files) in
        [("authority = \"ca.pem\"", vec![("ca.pem", ours.pem.as_str())]), ("", Vec::new())]
    {
        let relay = Relay::start(Protection::Starttls(theirs.server.clone()));
        let world = with(&smtp(&relay, "starttls", authority), &files);
        let (sent, said) = test(world.party("373"));
        assert!(!sent && said.contains("STARTTLS failed"), "{said}");
        assert!(relay.letters().is_empty());
    }
}

#[test]
fn a_test_message_says_what_the_relay_said() {
    let relay = Relay::start(Protection::None);
    relay.answer("RCPT", "550 5.7.1 relaying denied");
    let world = with(&smtp(&relay, "none", ""), &[]);
    let (sent, said) = test(world.party("373"));
    assert!(!sent && said.contains("the recipient was refused with 550"), "{said}");
    assert!(said.contains("relaying denied") && said.contains("escalation-373@council.example"), "{said}");
    let (sent, said) = test(world.party("373"));
    assert!(sent && said.contains("sent, message"), "{said}");
    // Without any channel there is nothing to try.
    let (sent, said) = test(world.party("330"));
    assert!(!sent && said.contains("no channel is configured"), "{said}");
}

#[test]
fn a_webhook_is_posted_to_under_tls_of_the_named_authority_only() {
    let authority = Authority::new();
    let receiver = Receiver::start(Some(authority.server.clone()));
    let webhook = |more: &str| {
        format!(
            "[escalation]\nattempt_ms_max = 5000\n[escalation.webhook]\n\
             url = \"https://{}/told?by=cme\"\n{more}\n",
            receiver.address
        )
    };
    let world = with(&webhook("authority = \"ca.pem\""), &[("ca.pem", &authority.pem)]);
    let (sent, said) = test(world.party("373"));
    assert!(sent && said.starts_with("webhook to https://127.0.0.1:") && !said.contains("told"), "{said}");
    assert_eq!(receiver.posts()[0].json()["matter"], "test");
    assert!(!receiver.posts()[0].fields.contains_key("cme-signature"), "no secret, no signature");
    let world = with(&webhook(""), &[]);
    let (sent, said) = test(world.party("373"));
    assert!(!sent && said.contains("no connection") && said.contains("certificate"), "{said}");
    assert_eq!(receiver.posts().len(), 1);
}

/// Whether `serve` stopped by itself, with a failure, and what it said.
fn serve(party: &Party) -> (bool, String) {
    let log = party.home.join("serve.log");
    let mut serve = Command::new(BINARY);
    serve.arg("serve").arg("--config").arg(party.config()).stderr(std::fs::File::create(&log).unwrap());
    let mut process = serve.spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        match process.try_wait().unwrap() {
            None if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            status => break status,
        }
    };
    let _ = process.kill();
    let _ = process.wait();
    (status.is_some_and(|status| !status.success()), std::fs::read_to_string(&log).unwrap())
}

#[test]
fn a_mistake_in_the_configuration_stops_the_start_and_says_where() {
    const SMTP: &str =
        "[escalation.smtp]\nhost = \"relay.council.example\"\nport = 587\nfrom = \"a@b.example\"\n";
    let smtp = |more: &str| format!("{SMTP}{more}\n");
    let webhook = |url: &str| format!("[escalation.webhook]\nurl = \"{url}\"\n");
    let mistakes = [
        ("[escalation]\nlook_every_ms = 0\n".to_owned(), "`look_every_ms` must be above 0"),
        ("[escalation]\nreminder_working_days = 251\n".to_owned(), "at most 250"),
        ("[escalation]\nremind = 3\n".to_owned(), "unknown field `remind`"),
        (webhook("hook.council.example"), "`url` must be https"),
        (webhook("ftp://hook.council.example"), "`url` must be https"),
        (webhook("https://user:word@hook.council.example/"), "without user or password"),
        (webhook("http://hook.council.example/"), "to this machine only"),
        (webhook("https://hook.council.example/") + "secret_file = \"short\"\n", "16 bytes or more"),
        (webhook("https://hook.council.example/") + "secret_file = \"missing\"\n", "can't read"),
        (webhook("https://hook.council.example/") + "authority = \"short\"\n", "no certificate in PEM"),
        (SMTP.replace("relay.council.example", ""), "`host` is not a host name"),
        (SMTP.replace("587", "0"), "`port` is 0"),
        (SMTP.replace("a@b.example", "nobody"), "`from` is not an e-mail address"),
        (smtp("to = \"nobody\""), "`to` is not an e-mail address"),
        (smtp("security = \"none\""), "to this machine only"),
        (smtp("security = \"ssl\""), "unknown variant `ssl`"),
        (smtp("user = \"council\""), "go together"),
        (smtp("user = \"council\"\npassword_file = \"empty\""), "no password in it"),
        (smtp("authority = \"empty\""), "no certificate in PEM"),
    ];
    let world = World::new(&["373"]);
    let party = world.party("373");
    let untouched = std::fs::read_to_string(party.config()).unwrap();
    std::fs::write(party.home.join("short"), "too short").unwrap();
    std::fs::write(party.home.join("empty"), "\n").unwrap();
    for (sections, told) in mistakes {
        std::fs::write(party.config(), format!("{untouched}\n{sections}")).unwrap();
        let (stopped, said) = serve(party);
        assert!(stopped && said.contains(told), "{sections}: {said}");
    }
}
