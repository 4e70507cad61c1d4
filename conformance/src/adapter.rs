//! The adapter: what makes the subject act, where no message from a peer can.
//!
//! A vendor writes it: a program that reads one JSON object a line and answers each with one. What it does with
//! the subject it does by the product's ordinary functions. What it says is taken for no proof of anything that
//! shows on the wire.

mod program;

use std::sync::{Mutex, PoisonError};

use crate::json::Json;

pub(crate) use self::program::Program;

/// The name and version of what is spoken on the line.
pub(crate) const FORMAT: &str = "cme-adapter/1";

/// Why the adapter did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdapterError {
    #[error("the adapter can't be started: {0}")]
    Start(String),
    #[error("the adapter has ended")]
    Ended,
    #[error("the adapter said nothing in {0} s")]
    Silent(u64),
    #[error("the adapter's line is not an answer to what was asked: {0}")]
    Form(String),
    #[error("the adapter can't: {0}")]
    Unsupported(String),
    #[error("the subject refused: {0}")]
    Refused(String),
    #[error("the adapter failed: {0}")]
    Failed(String),
}

/// Where the lines go.
pub(crate) trait Line: Send {
    /// Sends a request, and gives the answer to it.
    fn exchange(&mut self, request: &Json) -> Result<Json, AdapterError>;
}

/// An adapter that has said hello.
pub(crate) struct Adapter {
    line: Mutex<Spoken>,
    /// What it calls itself.
    name: String,
    abilities: Vec<String>,
}

struct Spoken {
    line: Box<dyn Line>,
    last: i64,
}

impl Adapter {
    /// Says hello, and holds the adapter to its word about what it does not know: a verb made up on the spot
    /// has to be answered as unsupported, so that no answer of its is a yes to everything.
    pub(crate) fn greet(line: Box<dyn Line>, hello: Vec<(&str, Json)>) -> Result<Self, AdapterError> {
        let mut spoken = Spoken { line, last: 0 };
        let mut members = hello;
        members.push(("format", FORMAT.into()));
        let told = spoken.ask("hello", "", members)?;
        if told.text_at("/format") != Some(FORMAT) {
            return Err(AdapterError::Form(format!("its format is not {FORMAT}")));
        }
        let name = told.text_at("/name").ok_or_else(|| AdapterError::Form("it has no name".into()))?;
        let abilities = told.member("can").map(Json::items).unwrap_or_default();
        let abilities = abilities.iter().filter_map(|item| item.text_at("").map(str::to_owned)).collect();
        let name = name.to_owned();
        let made_up = format!("verb-{}", crate::draft::uuid());
        match spoken.ask(&made_up, "", Vec::new()) {
            Err(AdapterError::Unsupported(_)) => Ok(Self { line: Mutex::new(spoken), name, abilities }),
            Err(AdapterError::Ended) => Err(AdapterError::Ended),
            other => Err(AdapterError::Form(format!("a verb that nobody knows was answered {other:?}"))),
        }
    }

    /// What it calls itself, and what it says that it can do.
    pub(crate) fn told(&self) -> String {
        format!("{}, which can: {}", self.name, self.abilities.join(", "))
    }

    /// Whether it says that it can do that: a verb with what is done, such as `trigger offer`.
    pub(crate) fn can(&self, ability: &str) -> bool {
        self.abilities.iter().any(|held| held == ability)
    }

    /// Asks it for something, and gives the members of the answer.
    pub(crate) fn ask(
        &self,
        verb: &str,
        what: &str,
        members: Vec<(&str, Json)>,
    ) -> Result<Json, AdapterError> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).ask(verb, what, members)
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.ask("stop", "", Vec::new());
    }
}

impl Spoken {
    fn ask(&mut self, verb: &str, what: &str, members: Vec<(&str, Json)>) -> Result<Json, AdapterError> {
        self.last += 1;
        let mut request = Json::object([("id", self.last.into()), ("verb", verb.into())]);
        if !what.is_empty() {
            request.set("/what", what);
        }
        for (name, value) in members {
            request.set(&format!("/{name}"), value);
        }
        let answer = self.line.exchange(&request)?;
        if answer.integer_at("/id") != Some(self.last) {
            return Err(AdapterError::Form(answer.plain()));
        }
        let reason = answer.text_at("/reason").unwrap_or("it gives no reason").to_owned();
        match answer.text_at("/result") {
            Some("done") => Ok(answer),
            Some("unsupported") => Err(AdapterError::Unsupported(reason)),
            Some("refused") => Err(AdapterError::Refused(reason)),
            Some("failed") => Err(AdapterError::Failed(reason)),
            _ => Err(AdapterError::Form(answer.plain())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers by a script, with the id of what it was asked.
    struct Script(fn(&Json) -> Json);

    impl Line for Script {
        fn exchange(&mut self, request: &Json) -> Result<Json, AdapterError> {
            let mut answer = (self.0)(request);
            answer.set("/id", request.integer_at("/id").unwrap_or_default());
            Ok(answer)
        }
    }

    fn polite(request: &Json) -> Json {
        match request.text_at("/verb") {
            Some("hello") => Json::object([
                ("result", "done".into()),
                ("format", FORMAT.into()),
                ("name", "a script".into()),
                ("can", vec!["trigger offer".into()].into()),
            ]),
            Some("trigger") => Json::object([("result", "refused".into()), ("reason", "no".into())]),
            _ => Json::object([("result", "unsupported".into())]),
        }
    }

    #[test]
    fn an_adapter_says_what_it_can_and_is_believed_no_more() {
        let adapter = Adapter::greet(Box::new(Script(polite)), Vec::new()).unwrap();
        assert_eq!(adapter.told(), "a script, which can: trigger offer");
        assert!(adapter.can("trigger offer") && !adapter.can("trigger decide"));
        let refused = adapter.ask("trigger", "offer", Vec::new());
        assert_eq!(refused, Err(AdapterError::Refused("no".into())));
    }

    #[test]
    fn an_adapter_that_says_yes_to_a_verb_that_nobody_knows_is_not_used() {
        let yes = |request: &Json| match request.text_at("/verb") {
            Some("hello") => polite(request),
            _ => Json::object([("result", "done".into())]),
        };
        let told = Adapter::greet(Box::new(Script(yes)), Vec::new()).err();
        assert!(matches!(told, Some(AdapterError::Form(_))), "{told:?}");
    }

    #[test]
    fn an_adapter_of_another_format_is_not_used() {
        let other = |request: &Json| {
            let mut answer = polite(request);
            answer.set("/format", "cme-adapter/2");
            answer
        };
        let told = Adapter::greet(Box::new(Script(other)), Vec::new()).err();
        assert!(matches!(told, Some(AdapterError::Form(_))), "{told:?}");
    }
}
