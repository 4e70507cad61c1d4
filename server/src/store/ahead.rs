//! Questions that the jobs of a batch are known to ask, asked at once before the first job runs.
//!
//! An answer stands until a job of the same transaction changes what it is about. A statement given to
//! [`Tx::change`] touches only rows that its parameters name, so an answer about none of its parameters stands;
//! any other statement may touch anything, and nothing that was asked ahead stands after it.

use std::collections::{HashMap, HashSet};

use super::{Insertion, Row, StoreError, Tx, Value};

/// A query with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub(super) sql: &'static str,
    pub(super) parameters: Vec<Value>,
    about: Option<Value>,
}

impl Question {
    /// A query that no [`Tx::change`] has a bearing on.
    pub fn new(sql: &'static str, parameters: impl Into<Vec<Value>>) -> Self {
        Self { sql, parameters: parameters.into(), about: None }
    }

    /// Each [`Tx::change`] that has a bearing on the query has this value among its parameters.
    #[must_use]
    pub fn about(self, value: impl Into<Value>) -> Self {
        Self { about: Some(value.into()), ..self }
    }
}

/// A transaction in which questions were asked ahead.
pub(super) struct Ahead<'t> {
    tx: &'t mut dyn Tx,
    answers: HashMap<Question, Vec<Row>>,
}

impl<'t> Ahead<'t> {
    /// Asks them, all in one way to a server.
    pub(super) fn ask<'q>(
        tx: &'t mut dyn Tx,
        questions: impl Iterator<Item = &'q Question>,
    ) -> Result<Self, StoreError> {
        // Jobs of one pair ask the same of it.
        let once: HashSet<&Question> = questions.collect();
        let questions: Vec<Question> = once.into_iter().cloned().collect();
        let mut answers = HashMap::new();
        if !questions.is_empty() {
            let rows = tx.rows_of_each(&questions)?;
            answers.extend(questions.into_iter().zip(rows));
        }
        Ok(Self { tx, answers })
    }

    fn forget_about(&mut self, parameters: &[Value]) {
        let stands = |question: &Question| question.about.as_ref().is_none_or(|it| !parameters.contains(it));
        self.answers.retain(|question, _| stands(question));
    }
}

impl Tx for Ahead<'_> {
    fn exec(&mut self, sql: &'static str, parameters: &[Value]) -> Result<u64, StoreError> {
        self.answers.clear();
        self.tx.exec(sql, parameters)
    }

    fn change(&mut self, sql: &'static str, parameters: &[Value]) -> Result<(), StoreError> {
        self.forget_about(parameters);
        self.tx.change(sql, parameters)
    }

    fn insert(&mut self, insertion: &Insertion, parameters: &[Value]) -> Result<(), StoreError> {
        self.forget_about(parameters);
        self.tx.insert(insertion, parameters)
    }

    fn rows(&mut self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.tx.rows(sql, parameters)
    }

    fn rows_of_each(&mut self, questions: &[Question]) -> Result<Vec<Vec<Row>>, StoreError> {
        let known = questions.iter().map(|question| self.answers.get(question).cloned());
        match known.collect() {
            Some(answers) => Ok(answers),
            None => self.tx.rows_of_each(questions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: &str = "SELECT";
    const PUT: &str = "PUT";

    /// A server with one row, which counts the ways to it.
    #[derive(Default)]
    struct Far {
        row: i64,
        ways: usize,
    }

    impl Tx for Far {
        fn exec(&mut self, _: &'static str, _: &[Value]) -> Result<u64, StoreError> {
            self.row += 1;
            self.ways += 1;
            Ok(1)
        }

        fn change(&mut self, _: &'static str, _: &[Value]) -> Result<(), StoreError> {
            self.row += 1;
            Ok(())
        }

        fn rows(&mut self, _: &'static str, _: &[Value]) -> Result<Vec<Row>, StoreError> {
            self.ways += 1;
            Ok(vec![Row(vec![self.row.into()])])
        }

        fn rows_of_each(&mut self, questions: &[Question]) -> Result<Vec<Vec<Row>>, StoreError> {
            self.ways += 1;
            Ok(questions.iter().map(|_| vec![Row(vec![self.row.into()])]).collect())
        }
    }

    fn about(name: &str) -> Question {
        Question::new(ASK, [name.into()]).about(name)
    }

    fn answer(tx: &mut Ahead<'_>, question: &Question) -> i64 {
        let rows = tx.rows_of_each(std::slice::from_ref(question)).expect("an answer");
        rows[0][0].integer(0).expect("an integer")
    }

    #[test]
    fn many_questions_take_one_way() {
        let mut far = Far::default();
        let questions = [about("a"), about("b")];
        let mut tx = Ahead::ask(&mut far, questions.iter()).expect("asked");
        assert_eq!(questions.each_ref().map(|question| answer(&mut tx, question)), [0, 0]);
        assert_eq!(far.ways, 1);
    }

    #[test]
    fn an_answer_stands_until_a_change_names_what_it_is_about() {
        let mut far = Far::default();
        let (a, b, never) = (about("a"), about("b"), Question::new(ASK, ["a".into()]));
        let mut tx = Ahead::ask(&mut far, [&a, &b, &never].into_iter()).expect("asked");
        tx.change(PUT, &["a".into(), 1.into()]).expect("a change");
        assert_eq!([answer(&mut tx, &a), answer(&mut tx, &b), answer(&mut tx, &never)], [1, 0, 0]);
    }

    #[test]
    fn no_answer_stands_after_a_statement_that_may_touch_anything() {
        let mut far = Far::default();
        let (a, never) = (about("a"), Question::new(ASK, ["a".into()]));
        let mut tx = Ahead::ask(&mut far, [&a, &never].into_iter()).expect("asked");
        tx.exec(PUT, &["b".into()]).expect("a statement");
        assert_eq!([answer(&mut tx, &a), answer(&mut tx, &never)], [1, 1]);
    }
}
