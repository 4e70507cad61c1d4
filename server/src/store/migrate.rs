//! Brings the tables up to date. The statements are in the subset that every engine takes.

use super::{Engine, StoreError, Tx};

pub(super) const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/0001_ledgers.sql")),
    (2, include_str!("../../migrations/0002_officers.sql")),
    (3, include_str!("../../migrations/0003_entry_ids.sql")),
    (4, include_str!("../../migrations/0004_peer_heads.sql")),
    (5, include_str!("../../migrations/0005_pairs.sql")),
    (6, include_str!("../../migrations/0006_leases.sql")),
    (7, include_str!("../../migrations/0007_escalation_tasks.sql")),
    (8, include_str!("../../migrations/0008_indexes.sql")),
    (9, include_str!("../../migrations/0009_register.sql")),
    (10, include_str!("../../migrations/0010_notices.sql")),
    (11, include_str!("../../migrations/0011_queries.sql")),
    (12, include_str!("../../migrations/0012_asked.sql")),
    (13, include_str!("../../migrations/0013_led_to.sql")),
];

/// The newest migration that this version knows.
pub fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |(number, _)| *number)
}

/// The newest migration of a database that has been in use.
pub fn applied(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    let newest = tx.rows("SELECT COALESCE(MAX(number), 0) FROM migration", &[])?;
    newest.first().ok_or(StoreError::Corrupt("no migration number"))?.integer(0)
}

/// The newest migration of a database; 0 for an empty one.
fn newest(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    tx.exec("CREATE TABLE IF NOT EXISTS migration (number BIGINT NOT NULL PRIMARY KEY)", &[])?;
    applied(tx)
}

/// Brings the tables up to a migration; gives the one that they were at.
pub fn up_to(tx: &mut dyn Tx, through: i64) -> Result<i64, StoreError> {
    let (newest, known) = (newest(tx)?, known());
    if newest > known {
        return Err(StoreError::Newer { found: newest, known });
    }
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| (newest + 1..=through).contains(number)) {
        for statement in statements(sql) {
            tx.exec(statement, &[])?;
        }
        tx.exec("INSERT INTO migration (number) VALUES (?1)", &[(*number).into()])?;
    }
    Ok(newest)
}

/// The statements of a migration. A semicolon ends one, but not in a comment or in a text.
fn statements(sql: &str) -> Vec<&str> {
    let (mut statements, mut begun) = (Vec::new(), None);
    let (mut in_comment, mut in_text) = (false, false);
    for (at, letter) in sql.char_indices() {
        match letter {
            '\n' => in_comment = false,
            _ if in_comment => {}
            '-' if !in_text && sql[at..].starts_with("--") => in_comment = true,
            ';' if !in_text => statements.extend(begun.take().map(|from: usize| &sql[from..at])),
            letter if letter.is_whitespace() => {}
            _ => {
                in_text ^= letter == '\'';
                begun = begun.or(Some(at));
            }
        }
    }
    statements.extend(begun.map(|from| &sql[from..]));
    statements
}

/// Brings the tables up to date.
pub(super) fn up(engine: &mut dyn Engine) -> Result<(), StoreError> {
    engine.write(&mut |tx| up_to(tx, known()).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_in_a_comment_or_in_a_text_ends_no_statement() {
        let sql = "-- One row; one child's name.\nCREATE TABLE a (b TEXT); -- it's read; not written\n\
                   INSERT INTO a (b) -- the child's; kept\nVALUES ('it''s; so -- far');;\n-- nothing; follows\n";
        let insert = "INSERT INTO a (b) -- the child's; kept\nVALUES ('it''s; so -- far')";
        assert_eq!(statements(sql), ["CREATE TABLE a (b TEXT)", insert]);
        assert_eq!(statements("DROP TABLE a"), ["DROP TABLE a"]);
    }

    #[test]
    fn a_migration_is_run_as_the_statements_that_it_has() {
        for (number, sql) in MIGRATIONS {
            for statement in statements(sql) {
                let first = statement.split_whitespace().next().unwrap_or_default();
                assert!(["CREATE", "ALTER", "DROP", "INSERT"].contains(&first), "{number}: {statement}");
            }
        }
    }

    #[test]
    fn a_migration_only_adds_so_that_a_server_of_the_version_before_goes_on() {
        for (number, sql) in MIGRATIONS {
            let statements: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
            // What an index is for, another does from then on; no statement names one.
            let text = statements.join(" ").to_uppercase().replace("DROP INDEX ", "");
            for word in ["DROP ", "RENAME ", "ALTER COLUMN", "DELETE ", "UPDATE "] {
                assert!(!text.contains(word), "migration {number} has {word}");
            }
        }
    }
}
