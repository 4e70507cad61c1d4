//! PostgreSQL (15 and later): for several server processes on one database, and for operators who keep
//! their data there.
//!
//! The writer holds one advisory lock for the length of its transaction, so that there is one writer at a
//! time whatever the number of processes. With group commit the lock is held once for many entries; what
//! it buys is the same world as in SQLite: no write skew, and places in commit order that no reader can
//! overtake. Not chosen: SERIALIZABLE with retries (batches of several processes abort each other for ever)
//! and row locks (a rule that each statement would have to remember).
//!
//! Each connection also holds a lock of its session, shared or alone, for as long as it lives: whoever wants
//! to replace the data waits for no word of others, as a connection that was lost must ask again.

mod link;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::link::Link;
use super::{Database, Engine, Insertion, JobFn, Question, Row, Store, StoreError, Tx, Value};

/// Begins the one writer's transaction, under the lock that it holds. Its number stays for ever: versions take
/// turns by it.
const WRITE: &str = "BEGIN; SELECT pg_advisory_xact_lock(4849337396446976340)";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// The lock that everybody on the database holds together, or one alone: the letters "CME-RUNS" as a number.
const TOGETHER: &str = "SELECT pg_try_advisory_lock_shared(4849608434705059411)";
const ALONE: &str = "SELECT pg_try_advisory_lock(4849608434705059411)";
/// How a connection's statements are planned.
///
/// They are prepared once, and PostgreSQL keeps a plan that it made while a table was empty: to read all of it. Each
/// of them has an index that leads to what it asks for. Questions of a batch are asked for each row of their
/// parameters, whatever these are, so one plan does for all of them. And it takes what has no index for so dear that
/// it compiled such plans to machine code, again for each batch, in half of its time (docs/benchmarks.md).
const PLANNING: &str = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off";
/// Tries for the lock alone, and the pause between two: the server takes a moment to see that a session ended.
const ALONE_TRIES: u32 = 40;
const ALONE_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for a connection, in seconds.
const CONNECT_SECONDS: u64 = 10;

/// A PostgreSQL database.
pub struct Postgres {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Postgres {
    /// The database of a URL. With the PEM of a certification authority connections are TLS, and the server's
    /// certificate must be of it.
    pub fn at(url: &str, authority_pem: Option<&[u8]>) -> Result<Self, StoreError> {
        let mut config: Config =
            url.parse().map_err(|_| StoreError::Engine("not a PostgreSQL URL".to_owned()))?;
        config.connect_timeout(Duration::from_secs(CONNECT_SECONDS));
        Ok(Self { config, tls: authority_pem.map(tls).transpose()? })
    }

    /// Connects to the database of a URL and starts a store on it.
    pub fn open(url: &str, authority_pem: Option<&[u8]>) -> Result<Store, StoreError> {
        Store::open(Arc::new(Self::at(url, authority_pem)?))
    }

    fn connected(&self, alone: bool) -> Result<PostgresEngine, StoreError> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let mut engine = PostgresEngine { config, tls, alone, link: None };
        engine.link()?;
        Ok(engine)
    }
}

fn tls(authority_pem: &[u8]) -> Result<MakeRustlsConnect, StoreError> {
    let broken =
        || StoreError::Engine("the PEM of the database's certification authority can't be read".to_owned());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority_pem) {
        roots.add(certificate.map_err(|_| broken())?).map_err(|_| broken())?;
    }
    let config = rustls::ClientConfig::builder_with_provider(cme_client::tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| broken())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl Database for Postgres {
    fn connect(&self) -> Result<Box<dyn Engine>, StoreError> {
        Ok(Box::new(self.connected(false)?))
    }

    fn connect_alone(&self) -> Result<Box<dyn Engine>, StoreError> {
        Ok(Box::new(self.connected(true)?))
    }

    /// Tables are made and removed in the transaction that fills them. PostgreSQL by itself looks only a minute
    /// later at what they hold, and plans blindly till then.
    fn replace(&self, fill: JobFn<'_>) -> Result<(), StoreError> {
        let mut engine = self.connected(true)?;
        engine.write(fill)?;
        engine.link()?.run("ANALYZE")
    }
}

struct PostgresEngine {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    alone: bool,
    link: Option<Link>,
}

impl PostgresEngine {
    /// The connection; a new one when the last was lost.
    fn link(&mut self) -> Result<&mut Link, StoreError> {
        if self.link.as_ref().is_none_or(Link::is_closed) {
            if self.alone && self.link.is_some() {
                // Somebody else may have come in meanwhile.
                return Err(StoreError::Closed);
            }
            self.link = None;
            self.link = Some(self.connect()?);
        }
        self.link.as_mut().ok_or(StoreError::Closed)
    }

    fn connect(&self) -> Result<Link, StoreError> {
        let link = Link::open(&self.config, self.tls.clone())?;
        link.run(PLANNING)?;
        if !self.alone {
            return if link.ask(TOGETHER)? { Ok(link) } else { Err(StoreError::HeldAlone) };
        }
        for _ in 0..ALONE_TRIES {
            if link.ask(ALONE)? {
                return Ok(link);
            }
            std::thread::sleep(ALONE_PAUSE);
        }
        Err(StoreError::InUse)
    }

    fn within(&mut self, begin: &'static str, job: JobFn<'_>) -> Result<(), StoreError> {
        let link = self.link()?;
        link.begin(begin);
        let done = job(link).and_then(|()| link.commit());
        if done.is_err() && link.roll_back().is_err() && !self.alone {
            // Whatever it was in the middle of ends with it.
            self.link = None;
        }
        done
    }
}

impl Engine for PostgresEngine {
    fn write(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        self.within(WRITE, job)
    }

    fn read(&mut self, job: JobFn<'_>) -> Result<(), StoreError> {
        self.within(READ, job)
    }

    fn is_far(&self) -> bool {
        true
    }
}

impl Tx for Link {
    fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        self.exec(sql, parameters)
    }

    fn change(&mut self, sql: &'static str, parameters: &[Value]) -> Result<(), StoreError> {
        self.change(sql, parameters)
    }

    fn insert(&mut self, insertion: &Insertion, parameters: &[Value]) -> Result<(), StoreError> {
        self.insert(insertion, parameters)
    }

    fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.rows(sql, parameters)?.iter().map(|found| row(found, 0)).collect()
    }

    fn rows_of_each(&mut self, questions: &[Question]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.rows_of_each(questions)
    }

    fn begun(&mut self) -> Result<(), StoreError> {
        self.begun()
    }
}

/// The columns of a row from one of them on.
fn row(row: &tokio_postgres::Row, first: usize) -> Result<Row, StoreError> {
    let value = |(index, column): (usize, &tokio_postgres::Column)| {
        let value = if *column.type_() == Type::INT8 {
            row.try_get::<_, Option<i64>>(index).map(|value| value.map_or(Value::Null, Value::Integer))
        } else if *column.type_() == Type::INT4 {
            row.try_get::<_, Option<i32>>(index)
                .map(|value| value.map_or(Value::Null, |value| Value::Integer(i64::from(value))))
        } else {
            row.try_get::<_, Option<String>>(index).map(|value| value.map_or(Value::Null, Value::Text))
        };
        value.map_err(|_| StoreError::Corrupt("a column of no known type"))
    };
    row.columns().iter().enumerate().skip(first).map(value).collect::<Result<_, _>>().map(Row)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Integer(value) => value.to_sql(kind, out),
            Self::Text(value) => value.as_str().to_sql(kind, out),
            Self::Null => Ok(IsNull::Yes),
        }
    }

    fn accepts(kind: &Type) -> bool {
        <i64 as ToSql>::accepts(kind) || <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
fn fault(error: tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => StoreError::Exists,
        Some(code) if *code == SqlState::DISK_FULL => StoreError::Full,
        Some(code) if *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN => {
            StoreError::Busy
        }
        Some(code) if *code == SqlState::CANNOT_CONNECT_NOW || *code == SqlState::TOO_MANY_CONNECTIONS => {
            StoreError::Busy
        }
        // The server's message can quote a row; its code can't.
        Some(code) => StoreError::Engine(format!("SQLSTATE {}", code.code())),
        None if error.is_closed() => StoreError::Busy,
        None => StoreError::Engine("no connection to PostgreSQL, or it broke".to_owned()),
    }
}

#[cfg(all(test, feature = "postgres-tests"))]
mod tests {
    use crate::store::suite::{Fixture as _, PostgresFixture};

    #[tokio::test]
    async fn statements_are_planned_once_by_index_and_never_compiled() {
        let fixture = PostgresFixture::new();
        let store = fixture.open();
        for (setting, wanted) in [
            ("SHOW enable_seqscan", "off"),
            ("SHOW plan_cache_mode", "force_generic_plan"),
            ("SHOW jit", "off"),
        ] {
            let read = store.read(move |tx| Ok(tx.rows(setting, &[])?[0].text(0)?.to_owned())).await.unwrap();
            let write =
                store.write(move |tx| Ok(tx.rows(setting, &[])?[0].text(0)?.to_owned())).await.unwrap();
            assert_eq!([read.as_str(), &write], [wanted, wanted], "{setting}");
        }
    }
}
