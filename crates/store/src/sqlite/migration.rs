//! The steps from one format of the tables to the next.
//!
//! All steps that a database needs are one transaction: killed in the middle, it has its former
//! format still. The log is not touched. Steps are never changed once released.

use pki::{CaCertificate, Fingerprint, KeyId};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::error::{Fault, OpenError};

/// "HfSt": tells our databases from other programs'.
pub(super) const APPLICATION_ID: i32 = 0x4866_5374;

/// The version that this release reads and writes.
pub(super) const VERSION: u32 = STEPS.len() as u32;

/// Step n brings version n to n + 1.
const STEPS: [Step; 8] = [step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8];

/// Works inside the transaction that is open.
type Step = fn(&Connection) -> Result<(), OpenError>;

/// Brings the tables up to date.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    let txn = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&txn)?;
    for (number, step) in (1u32..).zip(STEPS) {
        if number > found {
            step(&txn)?;
            txn.pragma_update(None, "application_id", APPLICATION_ID)?;
            txn.pragma_update(None, "user_version", number)?;
        }
    }
    Ok(txn.commit()?)
}

/// The version of a database; 0 where it has no tables yet.
pub(super) fn version(conn: &Connection) -> Result<u32, OpenError> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn step_1(conn: &Connection) -> Result<(), OpenError> {
    Ok(conn.execute_batch(include_str!("schema_1.sql"))?)
}

fn step_2(conn: &Connection) -> Result<(), OpenError> {
    conn.execute_batch(include_str!("schema_2.sql"))?;
    copy_generations(conn)?;
    copy_certificates(conn)?;
    Ok(conn.execute_batch(include_str!("schema_2_end.sql"))?)
}

fn step_3(conn: &Connection) -> Result<(), OpenError> {
    conn.execute_batch(include_str!("schema_3.sql"))?;
    let mut rows = conn.prepare("SELECT id, der FROM certificates")?;
    let mut set = conn.prepare("UPDATE certificates SET public_key = ?2 WHERE id = ?1")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (id, der): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let key = KeyId::of_certificate(&der.into())
            .map_err(|_| Fault::Unreadable { what: "certificate" })?;
        set.execute(params![id, key.as_bytes()])?;
    }
    Ok(())
}

fn step_4(conn: &Connection) -> Result<(), OpenError> {
    Ok(conn.execute_batch(include_str!("schema_4.sql"))?)
}

fn step_5(conn: &Connection) -> Result<(), OpenError> {
    Ok(conn.execute_batch(include_str!("schema_5.sql"))?)
}

fn step_6(conn: &Connection) -> Result<(), OpenError> {
    Ok(conn.execute_batch(include_str!("schema_6.sql"))?)
}

fn step_7(conn: &Connection) -> Result<(), OpenError> {
    Ok(conn.execute_batch(include_str!("schema_7.sql"))?)
}

fn step_8(conn: &Connection) -> Result<(), OpenError> {
    Ok(conn.execute_batch(include_str!("schema_8.sql"))?)
}

fn copy_generations(conn: &Connection) -> Result<(), OpenError> {
    let mut rows = conn.prepare("SELECT id, der FROM ca_generations")?;
    let mut copy = conn.prepare(
        "INSERT INTO ca_generations_2 \
         SELECT id, ?2, serial, subject, not_before, not_after, added_at, der \
         FROM ca_generations WHERE id = ?1",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (id, der): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let ca = CaCertificate::from_der(&der)
            .map_err(|_| Fault::Unreadable { what: "certificate of the CA" })?;
        copy.execute(params![id, ca.issuer_id().as_bytes()])?;
    }
    Ok(())
}

fn copy_certificates(conn: &Connection) -> Result<(), OpenError> {
    let mut rows = conn.prepare("SELECT id, der FROM certificates")?;
    let mut copy = conn.prepare(
        "INSERT INTO certificates_2 \
         SELECT id, issued_by, serial, ?2, holder, device, other, subject, not_before, not_after, \
         recorded_at, connected_at, NULL, supersede_at, der FROM certificates WHERE id = ?1",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (id, der): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        copy.execute(params![id, Fingerprint::of(&der).as_bytes()])?;
    }
    Ok(())
}
