//! The floor: the least that accepting a signed row durably can cost on the same libraries.
//!
//! Mutual TLS, one SHA-256 over the body, one Ed25519 signature verified, one row in a group commit on
//! SQLite with `synchronous=FULL`. No JSON, no directory, no ledger, no receipt, no log. It shares nothing
//! with the server but the TLS settings, so that no change to the server moves it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cme_client::Identity;
use cme_server::tls::server_config;
use crossbeam_channel::{Receiver, Sender};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::arguments::FloorArguments;
use crate::letters::FLOOR_SIGNATURE;

/// As many as the server has.
const WORKERS: usize = 2;
/// As many as the server's.
const BATCH_ROWS_MAX: usize = 256;
/// How often the write-ahead log is copied back.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

struct Row {
    id: String,
    digest: String,
    body: String,
    done: oneshot::Sender<()>,
}

struct Floor {
    writer: Sender<Row>,
    author: Vec<u8>,
    commits: Arc<AtomicU64>,
}

/// Serves until it is killed.
pub(crate) fn serve(arguments: &FloorArguments) {
    let (writer, rows) = crossbeam_channel::bounded(4_096);
    let commits = Arc::new(AtomicU64::new(0));
    let (database, counted) = (open(&arguments.database), Arc::clone(&commits));
    database.execute_batch("CREATE TABLE entry (id TEXT PRIMARY KEY, digest TEXT, body TEXT)").unwrap();
    std::thread::spawn(move || write_loop(&database, &rows, &counted));
    let tended = open(&arguments.database);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(CHECKPOINT_EVERY);
            tended.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        }
    });
    let identity = Identity::from_pem(
        &std::fs::read(&arguments.certificate).unwrap(),
        &std::fs::read(&arguments.key).unwrap(),
    );
    let tls = server_config(&identity.unwrap(), false).unwrap();
    let author = URL_SAFE_NO_PAD.decode(&arguments.author).unwrap();
    let floor = web::Data::new(Floor { writer, author, commits });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(floor.clone())
            .route("/commits", web::get().to(commits_so_far))
            .default_service(web::put().to(accept))
    })
    .workers(WORKERS)
    .bind_rustls_0_23(arguments.listen, tls)
    .unwrap();
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    let settings = "PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
                    PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;";
    connection.execute_batch(settings).unwrap();
    connection
}

async fn commits_so_far(floor: web::Data<Floor>) -> HttpResponse {
    HttpResponse::Ok().body(floor.commits.load(Ordering::Relaxed).to_string())
}

async fn accept(floor: web::Data<Floor>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let digest = digest(&SHA256, &body);
    let signature = request.headers().get(FLOOR_SIGNATURE).map(|value| URL_SAFE_NO_PAD.decode(value));
    let Some(Ok(signature)) = signature else { return HttpResponse::BadRequest().finish() };
    let author = UnparsedPublicKey::new(&ED25519, &floor.author);
    if author.verify(digest.as_ref(), &signature).is_err() {
        return HttpResponse::Forbidden().finish();
    }
    let Ok(body) = String::from_utf8(body.into()) else { return HttpResponse::BadRequest().finish() };
    let (done, told) = oneshot::channel();
    let digest = URL_SAFE_NO_PAD.encode(digest);
    let row = Row { id: request.path().to_owned(), digest: digest.clone(), body, done };
    if floor.writer.try_send(row).is_err() || told.await.is_err() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Created().body(digest)
}

fn write_loop(database: &Connection, rows: &Receiver<Row>, commits: &AtomicU64) {
    let mut insert = database.prepare("INSERT INTO entry (id, digest, body) VALUES (?1, ?2, ?3)").unwrap();
    while let Ok(first) = rows.recv() {
        let batch: Vec<Row> =
            std::iter::once(first).chain(rows.try_iter().take(BATCH_ROWS_MAX - 1)).collect();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        for row in &batch {
            insert.execute((&row.id, &row.digest, &row.body)).unwrap();
        }
        database.execute_batch("COMMIT").unwrap();
        commits.fetch_add(1, Ordering::Relaxed);
        for row in batch {
            let _ = row.done.send(());
        }
    }
}
