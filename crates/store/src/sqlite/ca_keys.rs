//! The statements that take CA keys out of a database of any format.

use std::path::Path;

use rusqlite::Connection;

use super::migration::version;
use super::schema::{open_former, open_source};
use crate::error::OpenError;
use crate::records::CaKey;
use crate::secret::Secret;

pub(crate) fn ca_keys_read(database: &Path) -> Result<Vec<CaKey>, OpenError> {
    if !database.exists() {
        return Ok(Vec::new());
    }
    let conn = open_source(database)?;
    if version(&conn)? == 0 {
        return Ok(Vec::new());
    }
    read(&conn)
}

fn read(conn: &Connection) -> Result<Vec<CaKey>, OpenError> {
    let mut rows = conn.prepare(
        "SELECT ca_generations.der, crls.der, secrets.value FROM ca_generations \
         JOIN secrets ON secrets.name = 'ca/' || ca_generations.id \
         LEFT JOIN crls ON crls.generation = ca_generations.id ORDER BY ca_generations.id",
    )?;
    let key = |row: &rusqlite::Row<'_>| {
        let pkcs8 = Secret::new(row.get(2)?);
        Ok(CaKey { certificate: row.get(0)?, crl: row.get(1)?, pkcs8 })
    };
    Ok(rows.query_map([], key)?.collect::<Result<_, _>>()?)
}

pub(crate) fn ca_keys_forget(database: &Path) -> Result<(), OpenError> {
    let conn = open_former(database)?;
    conn.execute("DELETE FROM secrets WHERE name LIKE 'ca/%'", [])?;
    // The log has them as they were written; it is emptied, and the pages they were in are zeros.
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    conn.close().map_err(|(_, error)| error.into())
}
