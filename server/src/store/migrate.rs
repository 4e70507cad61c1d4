//! Brings the tables up to date. The statements are in the subset that every engine takes.

use super::{Engine, StoreError};

pub(super) const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/0001_ledgers.sql")),
    (2, include_str!("../../migrations/0002_officers.sql")),
    (3, include_str!("../../migrations/0003_entry_ids.sql")),
    (4, include_str!("../../migrations/0004_peer_heads.sql")),
    (5, include_str!("../../migrations/0005_pairs.sql")),
    (6, include_str!("../../migrations/0006_leases.sql")),
    (7, include_str!("../../migrations/0007_escalation_tasks.sql")),
];

pub(super) fn up(engine: &mut dyn Engine) -> Result<(), StoreError> {
    engine.write(&mut |tx| {
        tx.exec("CREATE TABLE IF NOT EXISTS migration (number BIGINT NOT NULL PRIMARY KEY)", &[])?;
        let newest = tx.rows("SELECT COALESCE(MAX(number), 0) FROM migration", &[])?;
        let newest = newest.first().ok_or(StoreError::Corrupt("no migration number"))?.integer(0)?;
        let known = MIGRATIONS.last().map_or(0, |(number, _)| *number);
        if newest > known {
            return Err(StoreError::Newer { found: newest, known });
        }
        for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > newest) {
            for statement in sql.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
                tx.exec(statement, &[])?;
            }
            tx.exec("INSERT INTO migration (number) VALUES (?1)", &[(*number).into()])?;
        }
        Ok(())
    })
}
