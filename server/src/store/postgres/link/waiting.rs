//! Changes that wait to be sent, and how rows of many jobs become one statement.
//!
//! Most of what PostgreSQL does for a small statement it does once for each statement, not for each row: rows that
//! follow each other go as arrays.

use std::collections::HashSet;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::super::super::{Insertion, StoreError, Value};

/// Changes in the order in which they have to be made.
#[derive(Default)]
pub(super) struct Waiting(Vec<Change>);

pub(super) enum Change {
    One(&'static str, Vec<Value>),
    Rows { insertion: Insertion, rows: Vec<Vec<Value>>, keys: HashSet<Vec<Value>> },
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        let rows = |change: &Change| match change {
            Change::One(..) => 1,
            Change::Rows { rows, .. } => rows.len(),
        };
        self.0.iter().map(rows).sum()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn change(&mut self, sql: &'static str, values: Vec<Value>) {
        self.0.push(Change::One(sql, values));
    }

    /// The row goes with earlier ones of its kind if nothing but rows of other tables came between, and none of
    /// them has its key.
    pub(super) fn insert(&mut self, insertion: &Insertion, row: Vec<Value>) {
        let key = row[..insertion.key].to_vec();
        for change in self.0.iter_mut().rev() {
            let Change::Rows { insertion: earlier, rows, keys } = change else { break };
            if earlier.one == insertion.one {
                if !keys.insert(key.clone()) {
                    break;
                }
                rows.push(row);
                return;
            }
        }
        self.0.push(Change::Rows { insertion: *insertion, rows: vec![row], keys: HashSet::from([key]) });
    }
}

impl Change {
    /// The statement, and what it is given.
    pub(super) fn statement(self) -> Result<(&'static str, Vec<Bound>), StoreError> {
        let each = |values: Vec<Value>| values.into_iter().map(Bound::Value).collect();
        match self {
            Self::One(sql, values) => Ok((sql, each(values))),
            Self::Rows { insertion, mut rows, .. } if rows.len() == 1 => {
                Ok((insertion.one, each(rows.pop().unwrap_or_default())))
            }
            Self::Rows { insertion, rows, .. } => Ok((insertion.many, columns(rows)?)),
        }
    }
}

/// A parameter.
#[derive(Debug)]
pub(super) enum Bound {
    Value(Value),
    Texts(Vec<Option<String>>),
    Integers(Vec<Option<i64>>),
}

/// Each column of rows of equal length, as an array.
pub(super) fn columns(rows: Vec<Vec<Value>>) -> Result<Vec<Bound>, StoreError> {
    let width = rows.first().map_or(0, Vec::len);
    let integers = |column: usize| rows.iter().any(|row| matches!(row.get(column), Some(Value::Integer(_))));
    let empty =
        |column| if integers(column) { Bound::Integers(Vec::new()) } else { Bound::Texts(Vec::new()) };
    let mut columns: Vec<Bound> = (0..width).map(empty).collect();
    for row in rows {
        for value in columns.iter_mut().zip(row) {
            match value {
                (Bound::Integers(column), Value::Integer(value)) => column.push(Some(value)),
                (Bound::Integers(column), Value::Null) => column.push(None),
                (Bound::Texts(column), Value::Text(value)) => column.push(Some(value)),
                (Bound::Texts(column), Value::Null) => column.push(None),
                _ => return Err(StoreError::Engine("values of one column differ in type".to_owned())),
            }
        }
    }
    Ok(columns)
}

impl ToSql for Bound {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Value(value) => value.to_sql(kind, out),
            Self::Texts(values) => values.to_sql(kind, out),
            Self::Integers(values) => values.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        <Value as ToSql>::accepts(kind)
            || <Vec<Option<String>> as ToSql>::accepts(kind)
            || <Vec<Option<i64>> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Insertion = Insertion { one: "a", many: "all a", key: 1 };
    const B: Insertion = Insertion { one: "b", many: "all b", key: 1 };

    fn row(key: i64) -> Vec<Value> {
        vec![key.into(), "text".into()]
    }

    fn sent(waiting: &mut Waiting) -> Vec<&'static str> {
        waiting.take().into_iter().map(|change| change.statement().expect("values of one type").0).collect()
    }

    #[test]
    fn rows_of_two_tables_become_a_statement_for_each() {
        let mut waiting = Waiting::default();
        for key in 0..3 {
            waiting.insert(&A, row(key));
            waiting.insert(&B, row(key));
        }
        assert_eq!(waiting.len(), 6);
        assert_eq!(sent(&mut waiting), ["all a", "all b"]);
    }

    #[test]
    fn a_row_alone_is_sent_as_it_is() {
        let mut waiting = Waiting::default();
        waiting.insert(&A, row(0));
        assert_eq!(sent(&mut waiting), ["a"]);
    }

    #[test]
    fn a_row_whose_key_was_there_waits_for_those_before_it() {
        let mut waiting = Waiting::default();
        for key in [0, 1, 0, 2, 3] {
            waiting.insert(&A, row(key));
        }
        assert_eq!(sent(&mut waiting), ["all a", "all a"], "one of two rows, and one of three");
    }

    #[test]
    fn no_row_goes_past_another_change() {
        let mut waiting = Waiting::default();
        waiting.insert(&A, row(0));
        waiting.change("delete", Vec::new());
        waiting.insert(&A, row(1));
        assert_eq!(sent(&mut waiting), ["a", "delete", "a"]);
    }

    #[test]
    fn a_column_that_is_null_in_some_rows_keeps_its_type() {
        let rows = vec![vec![Value::Null, "x".into()], vec![7.into(), Value::Null]];
        let columns = columns(rows).expect("values of one type");
        assert!(matches!(&columns[0], Bound::Integers(values) if *values == [None, Some(7)]));
        assert!(matches!(&columns[1], Bound::Texts(values) if *values == [Some("x".to_owned()), None]));
        assert!(super::columns(vec![vec![7.into()], vec!["x".into()]]).is_err());
    }
}
