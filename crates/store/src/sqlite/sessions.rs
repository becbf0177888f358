//! Sessions as they leave a record, when each device was seen last, and with which settings its profile was
//! written: rows without events, which no snapshot knows.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use clock::Timestamp;
use names::{DeviceName, UserName};
use pki::CertificateId;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::column::{column, seconds};
use super::rows;
use crate::error::{Fault, StoreError};
use crate::ids::DeviceId;
use crate::sessions::{SessionNote, SessionQuery, SessionRecord};
use crate::settings_mark::{ProfilesOnRecord, SettingsMark};

/// How a session is, and that its device was seen.
pub(super) fn put(conn: &Connection, note: &SessionNote, now: Timestamp) -> Result<(), StoreError> {
    let address = |v4: bool| note.addresses.iter().find(|ip| ip.is_ipv4() == v4);
    let seen = seconds(note.seen)?;
    conn.prepare_cached(PUT)?.execute(params![
        column(note.opened.millis(), "the time of a session")?,
        column(note.number, "the number of a session")?,
        note.device.get(),
        note.source.to_string(),
        note.tcp,
        address(true).map(IpAddr::to_string),
        address(false).map(IpAddr::to_string),
        note.client,
        seen,
        column(note.bytes_in, "the bytes of a session")?,
        column(note.bytes_out, "the bytes of a session")?,
        note.ended,
    ])?;
    let (device, now) = (note.device.get(), seconds(now)?);
    if note.tells_profile {
        let profile = note.profile.as_ref().map(SettingsMark::as_bytes);
        conn.prepare_cached(SEE)?.execute(params![device, seen, profile, now])?;
    } else {
        conn.prepare_cached(SEE_ALONE)?.execute(params![device, seen, now])?;
    }
    Ok(())
}

/// Forgets what ended before that time, then the oldest where there are too many. Takes little at once: what is
/// left over goes the next time.
pub(super) fn delete(conn: &Connection, before: Timestamp, most: u64) -> Result<(), StoreError> {
    let (opened, ended) = (column(before.millis(), "the age of a session")?, seconds(before)?);
    conn.prepare_cached(DELETE_OLD)?.execute([opened, ended, AT_ONCE])?;
    let count: i64 = conn.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))?;
    let excess = count.saturating_sub(column(most, "the number of sessions")?).max(0);
    conn.prepare_cached(DELETE_EXCESS)?.execute([excess.min(AT_ONCE)])?;
    Ok(())
}

/// The newest first.
pub(super) fn session_list(
    conn: &Connection,
    query: &SessionQuery,
) -> Result<Vec<SessionRecord>, StoreError> {
    let (mut conditions, mut values) = (vec!["(s.seen >= ? OR s.ended IS NULL)"], Vec::new());
    values.push(Value::from(seconds(query.since)?));
    if let Some(user) = &query.user {
        conditions.push(OF_USER);
        values.push(Value::from(user.to_string()));
    }
    if let Some(device) = &query.device {
        conditions.push("d.name = ?");
        values.push(Value::from(device.to_string()));
    }
    if let Some((address, at)) = &query.address {
        conditions.push(match address {
            IpAddr::V4(_) => "s.ipv4 = ?",
            IpAddr::V6(_) => "s.ipv6 = ?",
        });
        values.push(address.to_string().into());
        if let Some(at) = at {
            conditions.push(OPEN_AT);
            let until = column(at.whole_second().millis() + 999, "a time")?;
            let (since, noted) = (seconds(*at)?, seconds(at.before(BEHIND))?);
            values.extend([until, since, noted].map(Value::from));
        }
    }
    values.push(Value::from(i64::from(query.limit)));
    let sql = format!(
        "SELECT s.opened_ms, s.number, u.name, d.name, s.source, s.tcp, s.ipv4, s.ipv6, s.client, s.seen, \
         s.bytes_in, s.bytes_out, s.ended FROM sessions s JOIN devices d ON d.id = s.device \
         JOIN users u ON u.id = d.user WHERE {} ORDER BY s.opened_ms DESC, s.number DESC LIMIT ?",
        conditions.join(" AND ")
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

/// When each device was seen last.
pub(super) fn seen_list(conn: &Connection) -> Result<HashMap<DeviceId, Timestamp>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT device, at FROM seen")?;
    let mut rows = statement.query([])?;
    let mut seen = HashMap::new();
    while let Some(row) = rows.next()? {
        seen.insert(DeviceId::from_row(row.get(0)?), second(row, 1)?);
    }
    Ok(seen)
}

/// With which settings profiles were written.
pub(super) fn profiles(conn: &Connection) -> Result<ProfilesOnRecord, StoreError> {
    let mut on_record = ProfilesOnRecord::default();
    let mut statement = conn.prepare_cached(
        "SELECT g.issuer, c.serial, p.settings FROM profile_settings p \
         JOIN certificates c ON c.id = p.certificate JOIN ca_generations g ON g.id = c.issued_by",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = CertificateId { issuer: rows::issuer(row, 0)?, serial: rows::serial(row, 1)? };
        let mark = SettingsMark::from_bytes(row.get(2)?);
        on_record.written.entry(id).or_default().push(mark);
    }
    let mut statement =
        conn.prepare_cached("SELECT device, profile FROM seen WHERE profile IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mark = SettingsMark::from_bytes(row.get(1)?);
        on_record.told.insert(DeviceId::from_row(row.get(0)?), mark);
    }
    Ok(on_record)
}

fn record(row: &Row<'_>) -> Result<SessionRecord, StoreError> {
    let unreadable = || Fault::Unreadable { what: "record of a session" };
    let text = |at: usize| row.get::<_, String>(at);
    let address = |at: usize| -> Result<Option<IpAddr>, StoreError> {
        let text: Option<String> = row.get(at)?;
        Ok(text.map(|text| text.parse().map_err(|_| unreadable())).transpose()?)
    };
    Ok(SessionRecord {
        opened: Timestamp::from_millis(number(row, 0)?),
        number: number(row, 1)?,
        user: UserName::new(&text(2)?).map_err(|_| unreadable())?,
        device: DeviceName::new(&text(3)?).map_err(|_| unreadable())?,
        source: text(4)?.parse().map_err(|_| unreadable())?,
        tcp: row.get(5)?,
        addresses: [address(6)?, address(7)?].into_iter().flatten().collect(),
        client: text(8)?,
        seen: second(row, 9)?,
        bytes_in: number(row, 10)?,
        bytes_out: number(row, 11)?,
        ended: row.get(12)?,
    })
}

fn second(row: &Row<'_>, at: usize) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_unix_secs(number(row, at)?))
}

fn number(row: &Row<'_>, at: usize) -> Result<u64, StoreError> {
    let number: i64 = row.get(at)?;
    Ok(u64::try_from(number).map_err(|_| Fault::Unreadable { what: "record of a session" })?)
}

/// A tenth of a second of the writer, whom revocations wait for.
const AT_ONCE: i64 = 2_000;

const PUT: &str = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (opened_ms, number) DO UPDATE SET source = excluded.source, \
     seen = excluded.seen, bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out, \
     ended = coalesce(excluded.ended, ended)";

/// What was noted while the clock was ahead counts no more than the present.
const SEE: &str = "INSERT INTO seen VALUES (?1, ?2, ?3) ON CONFLICT (device) \
     DO UPDATE SET at = max(min(at, ?4), excluded.at), profile = excluded.profile";

/// The same by a connection that says nothing of the device's profile: device, when, and the present.
pub(super) const SEE_ALONE: &str = "INSERT INTO seen (device, at) VALUES (?1, ?2) \
     ON CONFLICT (device) DO UPDATE SET at = max(min(at, ?3), excluded.at)";

const DELETE_OLD: &str = "DELETE FROM sessions WHERE (opened_ms, number) IN (\
     SELECT opened_ms, number FROM sessions WHERE opened_ms < ? AND seen < ? AND ended IS NOT NULL \
     ORDER BY opened_ms LIMIT ?)";

const DELETE_EXCESS: &str = "DELETE FROM sessions WHERE (opened_ms, number) IN (\
     SELECT opened_ms, number FROM sessions ORDER BY opened_ms LIMIT ?)";

const OF_USER: &str =
    "s.device IN (SELECT d.id FROM devices d JOIN users u ON u.id = d.user WHERE u.name = ?)";

const OPEN_AT: &str = "s.opened_ms <= ? AND (s.seen >= ? OR s.ended IS NULL \
     OR (s.ended = 'gateway_ended' AND s.seen >= ?))";

/// An open session is noted every five minutes: one that ended with its gateway may have lasted so much longer than
/// its record says.
const BEHIND: Duration = Duration::from_secs(310);
