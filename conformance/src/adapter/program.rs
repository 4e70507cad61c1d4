//! An adapter that is a program: one JSON object a line, in and out.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::{AdapterError, Line};
use crate::json::Json;

/// Longest line that an adapter says, in bytes.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// Time that it has to end by itself after `stop`.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running program; ends with this value.
pub(crate) struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    patience: Duration,
}

impl Program {
    /// Starts the command in that folder. What it writes to its standard error goes where the suite's goes.
    pub(crate) fn start(command: &[String], folder: &Path, patience: Duration) -> Result<Self, AdapterError> {
        let failed = |error: &dyn std::fmt::Display| AdapterError::Start(error.to_string());
        let (program, arguments) = command.split_first().ok_or_else(|| failed(&"no command is given"))?;
        let spawned = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|error| failed(&format!("{program}: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&"it has no standard input or output"));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            loop {
                let mut line = String::new();
                let read = output.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
                if read.map_or(true, |bytes| bytes == 0) || sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, input, lines, patience })
    }
}

impl Line for Program {
    fn exchange(&mut self, request: &Json) -> Result<Json, AdapterError> {
        let sent = self.input.write_all((request.plain() + "\n").as_bytes());
        sent.and_then(|()| self.input.flush()).map_err(|_| AdapterError::Ended)?;
        let asked = request.integer_at("/id");
        loop {
            let line = match self.lines.recv_timeout(self.patience) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Err(AdapterError::Silent(self.patience.as_secs())),
                Err(RecvTimeoutError::Disconnected) => return Err(AdapterError::Ended),
            };
            let answer = Json::read(line.trim().as_bytes()).map_err(|_| AdapterError::Form(line))?;
            // What it says late answers an earlier question.
            if answer.integer_at("/id") >= asked {
                return Ok(answer);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let until = std::time::Instant::now() + FAREWELL;
        while std::time::Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It may end in this very moment.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Adapter;

    fn started(script: &str) -> Result<Adapter, AdapterError> {
        let command = ["sh", "-c", script].map(str::to_owned);
        let program = Program::start(&command, Path::new("."), Duration::from_secs(1))?;
        Adapter::greet(Box::new(program), Vec::new())
    }

    /// The example that vendors copy, with a command for its offers.
    fn example(offer: &str) -> Adapter {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/example.py");
        let command =
            ["python3".to_owned(), path.display().to_string(), "--offer".to_owned(), offer.to_owned()];
        let program = Program::start(&command, Path::new("."), Duration::from_secs(30)).unwrap();
        Adapter::greet(Box::new(program), Vec::new()).unwrap()
    }

    #[test]
    fn the_example_offers_by_a_command_of_the_product_and_says_what_it_cannot() {
        let members = || vec![("to", "001".into()), ("body", Json::object([("child", Json::object([]))]))];
        let adapter = example("grep -q child && echo offered-to-{to}");
        assert!(adapter.can("trigger offer") && !adapter.can("trigger decide"));
        let told = adapter.ask("trigger", "offer", members()).unwrap();
        assert_eq!(told.text_at("/transfer"), Some("offered-to-001"));
        let unknown = adapter.ask("trigger", "decide", Vec::new());
        assert!(matches!(unknown, Err(AdapterError::Unsupported(_))), "{unknown:?}");
        let refusing = example("cat > /dev/null; echo 'not today' >&2; exit 1");
        let refused = refusing.ask("trigger", "offer", members());
        assert_eq!(refused, Err(AdapterError::Refused("not today".into())));
    }

    #[test]
    fn a_program_that_ends_says_nothing_or_something_else_is_told_apart() {
        assert_eq!(started("exit 0").err(), Some(AdapterError::Ended));
        assert_eq!(started("read line; sleep 3").err(), Some(AdapterError::Silent(1)));
        assert!(matches!(started("read line; echo hello; read line").err(), Some(AdapterError::Form(_))));
        let missing = Program::start(&["/no/such/program".to_owned()], Path::new("."), FAREWELL);
        assert!(matches!(missing.err(), Some(AdapterError::Start(_))));
    }
}
