//! One connection, driven by the thread that waits for it.
//!
//! Changes whose count nobody asks for are sent together with what comes next, so that a transaction takes as
//! many ways to the server and back as it asks questions.

use std::collections::HashMap;
use std::task::Poll;

use futures_util::future::LocalBoxFuture;
use futures_util::future::try_join_all;
use futures_util::poll;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::{Question, StoreError, Value};
use super::fault;

/// Changes that wait to be sent, at most.
const CHANGES_MAX: usize = 2 * super::super::BATCH_JOBS_MAX;

/// A connection and what was prepared on it.
pub(super) struct Link {
    runtime: Runtime,
    client: Client,
    statements: HashMap<&'static str, Statement>,
    /// What begins this transaction, while it is not sent.
    begin: Option<&'static str>,
    /// Of this transaction, in order.
    changes: Vec<(Statement, Vec<Value>)>,
}

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
        Ok(Self { runtime, client, statements: HashMap::new(), begin: None, changes: Vec::new() })
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
        let changes = std::mem::take(&mut self.changes);
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

    pub(super) fn change(&mut self, sql: &'static str, parameters: &[Value]) -> Result<(), StoreError> {
        if self.changes.len() >= CHANGES_MAX {
            return self.exec(sql, parameters).map(|_| ());
        }
        self.begun()?;
        let statement = self.prepare(sql)?;
        self.changes.push((statement, parameters.to_vec()));
        Ok(())
    }

    pub(super) fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        self.begun()?;
        let statement = self.prepare(sql)?;
        let (changes, parameters) = (std::mem::take(&mut self.changes), bound(parameters));
        let sent = in_turn(&self.client, None, &changes, self.client.execute(&statement, &parameters));
        self.runtime.block_on(sent).map_err(fault)
    }

    pub(super) fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let (begin, changes) = (self.begin.take(), std::mem::take(&mut self.changes));
        let parameters = bound(parameters);
        let sent = in_turn(&self.client, begin, &changes, self.client.query(&statement, &parameters));
        self.runtime.block_on(sent).map_err(fault)
    }
}

impl Link {
    /// Each question's rows; all are asked before the first is answered.
    pub(super) fn rows_of_each(&mut self, questions: &[Question]) -> Result<Vec<Vec<Row>>, StoreError> {
        let statements: Vec<Statement> =
            questions.iter().map(|question| self.prepare(question.sql)).collect::<Result<_, _>>()?;
        let (begin, changes) = (self.begin.take(), std::mem::take(&mut self.changes));
        let client = &self.client;
        let asked = statements.iter().zip(questions).map(|(statement, question)| async move {
            client.query(statement, &bound(&question.parameters)).await
        });
        let sent = in_turn(client, begin, &changes, try_join_all(asked));
        self.runtime.block_on(sent).map_err(fault)
    }
}

fn bound(parameters: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Sends what begins the transaction, the changes and then the last request, each without waiting for the answer to
/// the one before; the first that fails is what is told. Where a transaction begins, what follows only reads.
async fn in_turn<T>(
    client: &Client,
    begin: Option<&'static str>,
    changes: &[(Statement, Vec<Value>)],
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
