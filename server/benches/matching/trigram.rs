//! The same children in PostgreSQL, looked for with `pg_trgm`: what an authority could do without this crate.
//!
//! It is given what it can use: an index for each number, for the date of birth and for the postcode; names in a
//! table of their own with a partition for each year of birth, so that an index of trigrams is read of one year
//! (one index of year and trigrams together is ten times slower); statements prepared once, and all tables in
//! memory. Candidates are whoever shares a number, the date (or the one with day and month exchanged) or the
//! postcode, or has a name like the one asked for and the year; without a date the name alone. They are ranked
//! by how alike the names are and by what else agrees.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cme_matching::generate::World;
use cme_matching::{Child, ChildId, PartialDate};
use postgres::types::ToSql;
use postgres::{Client, NoTls, Statement};

/// How alike two names have to be, from 0 to 1, to make a candidate by themselves: `pg_trgm`'s own default is
/// 0.3, which brings ten times as many.
const SIMILARITY_MIN: f64 = 0.45;

const SCHEMA: &str = "
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    DROP TABLE IF EXISTS matching_bench;
    DROP TABLE IF EXISTS matching_bench_names;
    CREATE UNLOGGED TABLE matching_bench (
        id BIGINT, name TEXT, born DATE, year INT, sex TEXT, upn TEXT, nhs_number TEXT, postcode TEXT
    );
    CREATE UNLOGGED TABLE matching_bench_names (id BIGINT, name TEXT, year INT) PARTITION BY LIST (year);
    CREATE UNLOGGED TABLE matching_bench_names_rest PARTITION OF matching_bench_names DEFAULT;
    DO $$ BEGIN
        FOR year IN 2005..2025 LOOP
            EXECUTE format('CREATE UNLOGGED TABLE matching_bench_names_%s PARTITION OF matching_bench_names
                FOR VALUES IN (%s)', year, year);
        END LOOP;
    END $$;";

const INDEXES: &str = "
    INSERT INTO matching_bench_names SELECT id, name, year FROM matching_bench;
    CREATE INDEX ON matching_bench (upn);
    CREATE INDEX ON matching_bench (nhs_number);
    CREATE INDEX ON matching_bench (born);
    CREATE INDEX ON matching_bench (postcode);
    CREATE INDEX ON matching_bench_names USING gin (name gin_trgm_ops);
    ALTER TABLE matching_bench ADD PRIMARY KEY (id);
    VACUUM ANALYZE matching_bench;
    VACUUM ANALYZE matching_bench_names;";

const FIND: &str = "
    WITH found AS (
        SELECT id FROM matching_bench WHERE upn = $1
        UNION SELECT id FROM matching_bench WHERE nhs_number = $2
        UNION SELECT id FROM matching_bench WHERE born IN ($3::text::date, $4::text::date)
        UNION SELECT id FROM matching_bench WHERE postcode = $5
        UNION SELECT id FROM matching_bench_names WHERE name % $6 AND NAMES
    )
    SELECT id FROM matching_bench JOIN found USING (id)
    ORDER BY similarity(name, $6)
        + CASE WHEN born = $3::text::date THEN 0.5 WHEN born = $4::text::date THEN 0.3 WHEN year = $7 THEN 0.1
            ELSE 0 END
        + CASE WHEN sex = $8 THEN 0.05 ELSE 0 END
        + CASE WHEN postcode = $5 THEN 0.4 ELSE 0 END
        + CASE WHEN upn = $1 THEN 1 ELSE 0 END + CASE WHEN nhs_number = $2 THEN 1 ELSE 0 END DESC
    LIMIT 10";

/// A PostgreSQL server of this benchmark's own, ended with it.
struct Server {
    folder: PathBuf,
    _holder: tempfile::TempDir,
}

impl Server {
    fn script(what: &str, folder: &Path) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/postgres");
        let run = Command::new(script).arg(what).arg(folder).output().expect("the script can be run");
        assert!(run.status.success(), "PostgreSQL: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).trim().to_owned()
    }

    fn start() -> (Self, String) {
        let holder = tempfile::tempdir().expect("a folder for PostgreSQL");
        let folder = holder.path().join("postgres");
        let url = Self::script("start", &folder);
        (Self { folder, _holder: holder }, url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        Self::script("stop", &self.folder);
    }
}

/// The children in PostgreSQL.
pub(crate) struct Trigram {
    client: Client,
    in_year: Statement,
    in_any_year: Statement,
    _server: Option<Server>,
}

impl Trigram {
    /// The world's register, loaded and indexed.
    pub(crate) fn load(world: &World, url: Option<&str>) -> Result<Self, postgres::Error> {
        let started = url.is_none().then(Server::start);
        let url = url.or(started.as_ref().map(|(_, url)| url.as_str())).unwrap_or_default();
        let mut client = Client::connect(url, NoTls)?;
        client.batch_execute(SCHEMA)?;
        let mut copy = client.copy_in("COPY matching_bench FROM STDIN")?;
        for (id, child) in world.register() {
            let line = Asked::of(&child).line(id);
            copy.write_all(line.as_bytes()).expect("rows can be copied into PostgreSQL");
        }
        copy.finish()?;
        for statement in INDEXES.split_inclusive(';') {
            client.batch_execute(statement)?;
        }
        client.batch_execute(&format!(
            "SET pg_trgm.similarity_threshold = {SIMILARITY_MIN}; SET work_mem = '64MB'; SET jit = off;
             SET max_parallel_workers_per_gather = 0;"
        ))?;
        let in_year = client.prepare(&FIND.replace("NAMES", "year = $7"))?;
        let in_any_year = client.prepare(&FIND.replace("NAMES", "TRUE"))?;
        Ok(Self { client, in_year, in_any_year, _server: started.map(|(server, _)| server) })
    }

    /// The ten children that agree most.
    pub(crate) fn find(&mut self, query: &Child) -> Result<Vec<ChildId>, postgres::Error> {
        let asked = Asked::of(query);
        let statement = if asked.year.is_some() { &self.in_year } else { &self.in_any_year };
        let parameters: [&(dyn ToSql + Sync); 8] = [
            &asked.upn,
            &asked.nhs_number,
            &asked.born,
            &asked.exchanged,
            &asked.postcode,
            &asked.name,
            &asked.year,
            &asked.sex,
        ];
        let rows = self.client.query(statement, &parameters)?;
        Ok(rows.iter().map(|row| ChildId(row.get::<_, i64>(0).cast_unsigned())).collect())
    }
}

/// A child as the table has it.
struct Asked {
    name: String,
    born: Option<String>,
    exchanged: Option<String>,
    year: Option<i32>,
    sex: Option<String>,
    upn: Option<String>,
    nhs_number: Option<String>,
    postcode: Option<String>,
}

impl Asked {
    fn of(child: &Child) -> Self {
        let part = |name: &Option<String>| name.clone().unwrap_or_default().to_lowercase();
        let whole = child.date_of_birth.filter(|born| born.day().is_some());
        let exchanged = whole.and_then(|born| PartialDate::new(born.year(), born.day(), born.month()).ok());
        Self {
            name: format!("{} {}", part(&child.given_name), part(&child.family_name)).trim().to_owned(),
            born: whole.map(|born| born.to_string()),
            exchanged: exchanged.map(|born| born.to_string()),
            year: child.date_of_birth.map(|born| i32::from(born.year())),
            sex: child.sex.map(|sex| format!("{sex:?}")),
            upn: child.upn.clone(),
            nhs_number: child.nhs_number.clone(),
            postcode: child.postcode.clone(),
        }
    }

    fn line(self, ChildId(id): ChildId) -> String {
        let null = || "\\N".to_owned();
        let year = self.year.map_or_else(null, |year| year.to_string());
        let [born, sex, upn, nhs_number, postcode] =
            [self.born, self.sex, self.upn, self.nhs_number, self.postcode]
                .map(|value| value.unwrap_or_else(null));
        format!("{id}\t{}\t{born}\t{year}\t{sex}\t{upn}\t{nhs_number}\t{postcode}\n", self.name)
    }
}
