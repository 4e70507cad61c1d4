//! One connection, driven by the thread that waits for it.
//!
//! Changes whose count nobody asks for are sent together with what comes next, so that a transaction takes as
//! many ways to the server and back as it asks questions. Questions that differ in their parameters alone are one
//! question to the server, and so are rows of one table one change.

mod waiting;

use std::collections::HashMap;
use std::task::Poll;

use futures_util::future::LocalBoxFuture;
use futures_util::future::try_join_all;
use futures_util::poll;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::waiting::{Bound, Waiting, columns};
use super::super::writer::BATCH_JOBS_MAX;
use super::super::{Insertion, Question, Row as Answer, StoreError, Value};
use super::{fault, row};

/// Changes that wait to be sent, at most.
const CHANGES_MAX: usize = 2 * BATCH_JOBS_MAX;

/// A connection and what was prepared on it.
pub(super) struct Link {
    runtime: Runtime,
    client: Client,
    statements: HashMap<&'static str, Statement>,
    /// The same questions, asked of many parameters at once.
    of_many: HashMap<&'static str, Statement>,
    /// What begins this transaction, while it is not sent.
    begin: Option<&'static str>,
    /// Of this transaction, in order.
    changes: Waiting,
}

/// A statement that is ready to be sent.
type Ready = (Statement, Vec<Bound>);

impl Link {
    pub(super) fn open(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Engine(error.to_string()))?;
        let client = runtime.block_on(async {
            // A connection ends with its client, or with an error that the client tells of.
            if let Some(tls) = tls {
                let (client, connection) = config.connect(tls).await?;
                tokio::spawn(async { drop(connection.await) });
                Ok(client)
            } else {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(async { drop(connection.await) });
                Ok(client)
            }
        });
        let client = client.map_err(fault)?;
        let (statements, of_many) = (HashMap::new(), HashMap::new());
        Ok(Self { runtime, client, statements, of_many, begin: None, changes: Waiting::default() })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Statements without parameters and answers.
    pub(super) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(fault)
    }

    /// A question with one answer, yes or no.
    pub(super) fn ask(&self, sql: &str) -> Result<bool, StoreError> {
        let row = self.runtime.block_on(self.client.query_one(sql, &[]));
        row.and_then(|row| row.try_get(0)).map_err(fault)
    }

    /// A transaction begins with this: together with its first question, or alone before its first statement,
    /// which must not run without it.
    pub(super) fn begin(&mut self, sql: &'static str) {
        self.begin = Some(sql);
    }

    pub(super) fn begun(&mut self) -> Result<(), StoreError> {
        self.begin.take().map_or(Ok(()), |sql| self.run(sql))
    }

    /// The transaction ends, with all its changes.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        if self.begin.take().is_some() {
            return Ok(());
        }
        let changes = self.ready()?;
        let sent = in_turn(&self.client, None, &changes, self.client.batch_execute("COMMIT"));
        self.runtime.block_on(sent).map_err(fault)
    }

    /// The transaction ends, as if it had never been.
    pub(super) fn roll_back(&mut self) -> Result<(), StoreError> {
        self.changes.clear();
        if self.begin.take().is_some() {
            return Ok(());
        }
        self.run("ROLLBACK")
    }

    /// Statements are written with `?1`; PostgreSQL says `$1`.
    fn prepare(&mut self, sql: &'static str) -> Result<Statement, StoreError> {
        if let Some(prepared) = self.statements.get(sql) {
            return Ok(prepared.clone());
        }
        let text = sql.replace('?', "$");
        let prepared = self.runtime.block_on(self.client.prepare(&text)).map_err(fault)?;
        self.statements.insert(sql, prepared.clone());
        Ok(prepared)
    }

    /// What waits, to be sent now.
    fn ready(&mut self) -> Result<Vec<Ready>, StoreError> {
        let changes = self.changes.take().into_iter().map(waiting::Change::statement);
        changes.map(|change| change.and_then(|(sql, values)| Ok((self.prepare(sql)?, values)))).collect()
    }

    pub(super) fn change(&mut self, sql: &'static str, parameters: &[Value]) -> Result<(), StoreError> {
        if self.changes.len() >= CHANGES_MAX {
            return self.exec(sql, parameters).map(|_| ());
        }
        self.begun()?;
        self.changes.change(sql, parameters.to_vec());
        Ok(())
    }

    pub(super) fn insert(&mut self, insertion: &Insertion, parameters: &[Value]) -> Result<(), StoreError> {
        if self.changes.len() >= CHANGES_MAX {
            return self.exec(insertion.one, parameters).map(|_| ());
        }
        self.begun()?;
        self.changes.insert(insertion, parameters.to_vec());
        Ok(())
    }

    pub(super) fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        self.begun()?;
        let (changes, statement) = (self.ready()?, self.prepare(sql)?);
        let parameters = bound(parameters);
        let sent = in_turn(&self.client, None, &changes, self.client.execute(&statement, &parameters));
        self.runtime.block_on(sent).map_err(fault)
    }

    pub(super) fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let (changes, statement) = (self.ready()?, self.prepare(sql)?);
        let begin = self.begin.take();
        let parameters = bound(parameters);
        let sent = in_turn(&self.client, begin, &changes, self.client.query(&statement, &parameters));
        self.runtime.block_on(sent).map_err(fault)
    }
}

/// Questions that differ in their parameters alone, as they are sent.
struct Asked {
    statement: Statement,
    values: Vec<Bound>,
    /// Which of the questions these are.
    places: Vec<usize>,
}

impl Link {
    /// Each question's rows; all are asked before the first is answered.
    pub(super) fn rows_of_each(&mut self, questions: &[Question]) -> Result<Vec<Vec<Answer>>, StoreError> {
        let asked: Vec<Asked> = alike(questions)
            .into_iter()
            .map(|places| self.asked(questions, places))
            .collect::<Result<_, _>>()?;
        let changes = self.ready()?;
        let (begin, client) = (self.begin.take(), &self.client);
        let rows = asked
            .iter()
            .map(|asked| async move { client.query(&asked.statement, &bound(&asked.values)).await });
        let sent = in_turn(client, begin, &changes, try_join_all(rows));
        let rows = self.runtime.block_on(sent).map_err(fault)?;
        let mut answers = vec![Vec::new(); questions.len()];
        for (asked, rows) in asked.iter().zip(&rows) {
            let many = asked.places.len() > 1;
            for found in rows {
                let place = if many { found.try_get::<_, i64>(0).map_err(fault)? } else { 1 };
                let place = usize::try_from(place - 1).ok().and_then(|place| asked.places.get(place));
                let place = place.ok_or(StoreError::Corrupt("an answer to no question"))?;
                answers[*place].push(row(found, usize::from(many))?);
            }
        }
        Ok(answers)
    }

    fn asked(&mut self, questions: &[Question], places: Vec<usize>) -> Result<Asked, StoreError> {
        let parameters = || places.iter().map(|place| questions[*place].parameters.clone());
        let sql = questions[places[0]].sql;
        let (statement, values) = if places.len() == 1 {
            (self.prepare(sql)?, parameters().flatten().map(Bound::Value).collect())
        } else {
            (self.prepare_of_many(sql)?, columns(parameters().collect())?)
        };
        Ok(Asked { statement, values, places })
    }

    /// The question, asked of rows of parameters; the number of the row stands before each answer.
    fn prepare_of_many(&mut self, sql: &'static str) -> Result<Statement, StoreError> {
        if let Some(prepared) = self.of_many.get(sql) {
            return Ok(prepared.clone());
        }
        let one = self.prepare(sql)?;
        let numbered = || one.params().iter().enumerate().map(|(index, kind)| (index + 1, kind));
        let arrays: Vec<String> = numbered().map(|(number, kind)| format!("${number}::{kind}[]")).collect();
        let names: Vec<String> = numbered().map(|(number, _)| format!("p{number}")).collect();
        // Behind an OFFSET the question is planned as it is, and asked for each row: else PostgreSQL could decide to
        // read a whole table that was small at the time.
        let text = format!(
            "SELECT asked.place, found.* FROM unnest({}) WITH ORDINALITY AS asked ({}, place), \
             LATERAL ({} OFFSET 0) AS found",
            arrays.join(", "),
            names.join(", "),
            sql.replace('?', "asked.p"),
        );
        let prepared = self.runtime.block_on(self.client.prepare(&text)).map_err(fault)?;
        self.of_many.insert(sql, prepared.clone());
        Ok(prepared)
    }
}

/// The places of questions that can be asked together.
fn alike(questions: &[Question]) -> Vec<Vec<usize>> {
    let (mut groups, mut known): (Vec<Vec<usize>>, HashMap<&str, usize>) = Default::default();
    for (place, question) in questions.iter().enumerate() {
        match known.get(question.sql) {
            Some(group) if !question.parameters.is_empty() => groups[*group].push(place),
            _ => {
                known.insert(question.sql, groups.len());
                groups.push(vec![place]);
            }
        }
    }
    groups
}

fn bound<T: ToSql + Sync>(parameters: &[T]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Sends what begins the transaction, the changes and then the last request, each without waiting for the answer to
/// the one before; the first that fails is what is told. Where a transaction begins, what follows only reads.
async fn in_turn<T>(
    client: &Client,
    begin: Option<&'static str>,
    changes: &[Ready],
    last: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let begin = begin.map(|sql| -> LocalBoxFuture<'_, _> { Box::pin(client.batch_execute(sql)) });
    let changes = changes.iter().map(|(statement, values)| -> LocalBoxFuture<'_, _> {
        Box::pin(async move { client.execute(statement, &bound(values)).await.map(|_| ()) })
    });
    let mut under_way: Vec<LocalBoxFuture<'_, Result<(), Error>>> = Vec::new();
    for mut request in begin.into_iter().chain(changes) {
        // A request is sent when it is looked at first.
        match poll!(request.as_mut()) {
            Poll::Ready(done) => done?,
            Poll::Pending => under_way.push(request),
        }
    }
    let mut last = std::pin::pin!(last);
    let answer = poll!(last.as_mut());
    for request in under_way {
        request.await?;
    }
    match answer {
        Poll::Ready(answer) => answer,
        Poll::Pending => last.await,
    }
}
