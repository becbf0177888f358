//! What was verified of a database, kept so that the next look costs what is new.
//!
//! Invariant: up to one event, whose hash is kept, the log was whole and is folded here. What such a look can't
//! see is a change to what was verified before: events that were altered behind that one, and the octets of a
//! certificate whose row says the same as before. For that everything is verified again from time to time.

use rusqlite::Connection;

use super::chain::{self, Head};
use super::rows;
use crate::audit::{Closely, Difference, Rows, differences};
use crate::error::StoreError;
use crate::event::{ChainFault, ChainReport};
use crate::fold::{Completing, Fold};

/// The log up to its last good event.
#[derive(Debug)]
pub(crate) struct Verified {
    good: Head,
    fold: Fold,
}

/// What is wrong, if anything is.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Of the log.
    pub(crate) chain: ChainReport,
    /// Of the rows, beside it.
    pub(crate) differences: Vec<Difference>,
}

impl Verified {
    /// The last good event.
    pub(crate) fn head(&self) -> Head {
        self.good
    }

    /// From the first event on, in one read transaction. A log that is whole by itself and lacks an event that is
    /// known is another one.
    pub(super) fn whole(conn: &Connection, known: Head) -> Result<(Self, Findings), StoreError> {
        let txn = conn.unchecked_transaction()?;
        let rows = all_rows(&txn, Closely::Content)?;
        let mut verified = Self { good: Head::START, fold: Fold::default() };
        let completing = Completing::of(&rows.certificates, &rows.generations);
        let mut chain = verified.follow(&txn, &completing)?;
        if chain.fault.is_none() {
            chain.fault = known.stands(&txn)?;
        }
        let differences = differences(&rows, &verified.fold, Closely::Content);
        Ok((verified, Findings { chain, differences }))
    }

    /// On to the present end, in one read transaction.
    pub(super) fn go_on(&mut self, conn: &Connection) -> Result<Findings, StoreError> {
        let txn = conn.unchecked_transaction()?;
        let rows = all_rows(&txn, Closely::Rows)?;
        let chain = self.follow(&txn, &Completing::default())?;
        let differences = differences(&rows, &self.fold, Closely::Rows);
        Ok(Findings { chain, differences })
    }

    /// The same, without a look at the rows.
    pub(super) fn follow_log(&mut self, conn: &Connection) -> Result<ChainReport, StoreError> {
        let txn = conn.unchecked_transaction()?;
        self.follow(&txn, &Completing::default())
    }

    fn follow(
        &mut self,
        conn: &Connection,
        completing: &Completing<'_>,
    ) -> Result<ChainReport, StoreError> {
        let Self { good, fold } = self;
        let mut unreadable = None;
        let fault: Option<ChainFault> = good.follow(conn, |row| {
            match chain::event(row) {
                Ok(event) => fold.handle(event, completing),
                Err(fault) => unreadable = unreadable.take().or(Some(fault)),
            }
            Ok(())
        })?;
        match (fault, unreadable) {
            // Its hash is right, so it was written so.
            (None, Some(fault)) => Err(fault.into()),
            (fault, _) => Ok(good.report(fault)),
        }
    }
}

fn all_rows(conn: &Connection, closely: Closely) -> Result<Rows, StoreError> {
    Ok(Rows {
        users: rows::user_list(conn)?,
        devices: rows::device_list(conn)?,
        certificates: match closely {
            Closely::Content => rows::certificate_list(conn)?,
            Closely::Rows => rows::certificate_rows(conn)?,
        },
        generations: rows::ca_generation_list(conn)?,
        crls: rows::crl_list(conn)?,
        settings: rows::setting_list(conn)?,
    })
}
