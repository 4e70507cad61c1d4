//! Answers each line of one file from the children of another.
//!
//! ```sh
//! cargo run --release -p cme-matching --example link_files -- REGISTER QUERIES [leave-out-itself] [WEIGHTS]
//! ```
//!
//! Both have a child on each line, as JSON with the members of `Child`; a child's id is its line, from 0.
//! Printed is an answer for each query, as JSON on a line of its own. With `leave-out-itself` both files are
//! the same and a child is not compared with itself, so that duplicates are found. Without weights, a file that
//! `estimate_weights` made, the shipped ones are used.

#![expect(clippy::print_stderr, reason = "a program for the command line")]

#[path = "shared/lines.rs"]
mod lines;

use std::borrow::Cow;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use cme_matching::{ChildId, Register, Weights};

fn main() -> ExitCode {
    lines::end(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [held, asked, rest @ ..] = &arguments[..] else {
        return Err("say a file of the register and a file of queries".into());
    };
    let leave_out_itself = rest.iter().any(|argument| argument == "leave-out-itself");
    let weights = match rest.iter().find(|argument| *argument != "leave-out-itself") {
        Some(path) => Weights::from_json(&std::fs::read_to_string(path)?)?,
        None => Weights::shipped(),
    };
    let (held, asked) = (lines::children(held)?, lines::children(asked)?);
    let children = (0..).zip(&held).map(|(line, child)| (ChildId(line), Cow::Borrowed(child)));
    let mut register = Register::build(&weights, children)?;
    let mut out = std::io::stdout().lock();
    for (line, query) in (0..).zip(&asked) {
        if leave_out_itself {
            register.remove(ChildId(line));
        }
        writeln!(out, "{}", serde_json::to_string(&register.find(query))?)?;
        if leave_out_itself {
            register.insert(ChildId(line), query);
        }
    }
    Ok(())
}
