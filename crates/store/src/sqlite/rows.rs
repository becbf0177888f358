//! Rows to records: the queries that the reader and the writer share.

use std::collections::{BTreeMap, HashSet};

use clock::Timestamp;
use names::RevocationReason;
use names::{DeviceName, UserName};
use pki::{CertificateId, Fingerprint, IssuerId, KeyId, Serial};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::column::event_id;
use crate::error::{Fault, Refused, StoreError};
use crate::ids::{CaGenerationId, DeviceId, EventId, UserId};
use crate::records::{
    CaGeneration, Certificate, Crl, Device, DeviceDetail, Hold, Holder, Lease, Listed, Revocation,
    User, UserDetail, hold_since,
};
use crate::secret::Secret;

type Found<T> = Result<T, StoreError>;

const USER: &str = "SELECT id, name, disabled_at, added_at FROM users WHERE removed_at IS NULL";

const DEVICE: &str = "SELECT d.id, d.user, u.name, d.name, d.disabled_at, d.added_at, l.ipv4, l.ipv6 \
     FROM devices d JOIN users u ON u.id = d.user LEFT JOIN leases l ON l.device = d.id \
     WHERE d.removed_at IS NULL";

const CERTIFICATE: &str = "SELECT c.serial, c.holder, c.device, c.other, c.subject, c.not_before, \
     c.not_after, c.issued_by, c.recorded_at, c.connected_at, s.serial, c.supersede_at, \
     r.at, r.reason, r.event, c.der, g.issuer, sg.issuer, c.hash, c.public_key \
     FROM certificates c JOIN ca_generations g ON g.id = c.issued_by \
     LEFT JOIN revocations r ON r.certificate = c.id \
     LEFT JOIN certificates s ON s.id = c.superseded_by \
     LEFT JOIN ca_generations sg ON sg.id = s.issued_by";

const CA_GENERATION: &str =
    "SELECT id, serial, subject, not_before, not_after, added_at, der, issuer FROM ca_generations";

const CRL: &str = "SELECT generation, number, this_update, next_update, through, der FROM crls";

pub(crate) fn user_list(conn: &Connection) -> Found<Vec<User>> {
    list(conn, &format!("{USER} ORDER BY name"), [], user_row)
}

pub(crate) fn user(conn: &Connection, name: &UserName) -> Found<Option<User>> {
    first(conn, &format!("{USER} AND name = ?"), [name.as_str()], user_row)
}

/// By a look at every user, which only who adds or renames one waits for.
pub(crate) fn users_alike(conn: &Connection, name: &UserName) -> Found<Vec<User>> {
    list(conn, &format!("{USER} AND name = ? COLLATE NOCASE"), [name.as_str()], user_row)
}

pub(crate) fn user_named(conn: &Connection, name: &UserName) -> Found<User> {
    user(conn, name)?.ok_or_else(|| Refused::UserUnknown(name.clone()).into())
}

pub(crate) fn user_detail(conn: &Connection, name: &UserName) -> Found<UserDetail> {
    let user = user_named(conn, name)?;
    let devices = devices_of(conn, user.id)?
        .into_iter()
        .map(|device| with_certificates(conn, device))
        .collect::<Found<_>>()?;
    Ok(UserDetail { user, devices })
}

pub(crate) fn device_list(conn: &Connection) -> Found<Vec<Device>> {
    list(conn, &format!("{DEVICE} ORDER BY u.name, d.name"), [], device_row)
}

pub(crate) fn devices_of(conn: &Connection, owner: UserId) -> Found<Vec<Device>> {
    list(conn, &format!("{DEVICE} AND d.user = ? ORDER BY d.name"), [owner.get()], device_row)
}

pub(crate) fn device(conn: &Connection, user: UserId, name: &DeviceName) -> Found<Option<Device>> {
    let sql = format!("{DEVICE} AND d.user = ? AND d.name = ?");
    first(conn, &sql, params![user.get(), name.as_str()], device_row)
}

pub(crate) fn devices_removed(
    conn: &Connection,
    owner: &UserName,
    name: &DeviceName,
) -> Found<Vec<DeviceId>> {
    let sql = "SELECT d.id FROM devices d JOIN users u ON u.id = d.user \
         WHERE d.removed_at IS NOT NULL AND u.name = ? AND d.name = ? ORDER BY d.id";
    let id = |row: &Row<'_>| Ok(DeviceId::from_row(row.get(0)?));
    list(conn, sql, params![owner.as_str(), name.as_str()], id)
}

fn device_named(conn: &Connection, owner: &UserName, name: &DeviceName) -> Found<Device> {
    device(conn, user_named(conn, owner)?.id, name)?
        .ok_or_else(|| Refused::DeviceUnknown(owner.clone(), name.clone()).into())
}

pub(crate) fn device_by_id(conn: &Connection, id: DeviceId) -> Found<Option<Device>> {
    first(conn, &format!("{DEVICE} AND d.id = ?"), [id.get()], device_row)
}

pub(crate) fn device_detail(
    conn: &Connection,
    owner: &UserName,
    name: &DeviceName,
) -> Found<DeviceDetail> {
    with_certificates(conn, device_named(conn, owner, name)?)
}

fn with_certificates(conn: &Connection, device: Device) -> Found<DeviceDetail> {
    let certificates = certificates_of(conn, device.id)?;
    Ok(DeviceDetail { device, certificates })
}

pub(crate) fn certificate_list(conn: &Connection) -> Found<Vec<Certificate>> {
    list(conn, &format!("{CERTIFICATE} ORDER BY c.id"), [], certificate_row)
}

/// The same without the certificates themselves, whose octets are most of a database.
pub(crate) fn certificate_rows(conn: &Connection) -> Found<Vec<Certificate>> {
    let sql = CERTIFICATE.replace("c.der", "x''");
    list(conn, &format!("{sql} ORDER BY c.id"), [], certificate_row)
}

pub(crate) fn certificates_of(conn: &Connection, device: DeviceId) -> Found<Vec<Certificate>> {
    let sql = format!("{CERTIFICATE} WHERE c.device = ? ORDER BY c.id");
    list(conn, &sql, [device.get()], certificate_row)
}

pub(crate) fn certificates_removed(
    conn: &Connection,
    owner: &UserName,
    name: &DeviceName,
) -> Found<Vec<Certificate>> {
    let mut certificates = Vec::new();
    for device in devices_removed(conn, owner, name)? {
        certificates.extend(certificates_of(conn, device)?);
    }
    Ok(certificates)
}

/// The gateway's own, oldest first: few among many.
pub(crate) fn certificates_of_gateway(conn: &Connection) -> Found<Vec<Certificate>> {
    let sql = format!("{CERTIFICATE} WHERE c.holder = 'gateway' ORDER BY c.id");
    list(conn, &sql, [], certificate_row)
}

/// Those of servers, and of whatever else is no device, oldest first: few among many.
pub(crate) fn certificates_of_names(conn: &Connection) -> Found<Vec<Certificate>> {
    let sql = format!("{CERTIFICATE} WHERE c.other IS NOT NULL ORDER BY c.id");
    list(conn, &sql, [], certificate_row)
}

/// A server's, or those of whatever else is no device, oldest first.
pub(crate) fn certificates_named(conn: &Connection, name: &str) -> Found<Vec<Certificate>> {
    list(conn, &format!("{CERTIFICATE} WHERE c.other = ? ORDER BY c.id"), [name], certificate_row)
}

pub(crate) fn certificate(conn: &Connection, id: &CertificateId) -> Found<Option<Certificate>> {
    let sql = format!("{CERTIFICATE} WHERE g.issuer = ? AND c.serial = ?");
    first(conn, &sql, params![id.issuer.as_bytes(), id.serial.as_bytes()], certificate_row)
}

/// Those for this key, whoever holds them, oldest first.
pub(crate) fn certificates_with_key(conn: &Connection, key: &KeyId) -> Found<Vec<Certificate>> {
    let sql = format!("{CERTIFICATE} WHERE c.public_key = ? ORDER BY c.id");
    list(conn, &sql, [key.as_bytes()], certificate_row)
}

/// The other certificates of `of`'s holder that are not revoked.
pub(crate) fn certificates_beside(
    conn: &Connection,
    of: &CertificateId,
) -> Found<Vec<Certificate>> {
    of_the_same_holder(conn, of, "n.id <> c.id")
}

/// Certificates that were recorded before `of`, for the same holder, and have been superseded.
pub(crate) fn certificates_superseded_before(
    conn: &Connection,
    of: &CertificateId,
) -> Found<Vec<Certificate>> {
    of_the_same_holder(conn, of, "n.id > c.id AND c.superseded_by IS NOT NULL")
}

fn of_the_same_holder(
    conn: &Connection,
    of: &CertificateId,
    which: &str,
) -> Found<Vec<Certificate>> {
    let sql = format!(
        "{CERTIFICATE} JOIN ca_generations ng ON ng.issuer = ? \
         JOIN certificates n ON n.issued_by = ng.id AND n.serial = ? AND n.holder = c.holder \
         AND n.device IS c.device AND n.other IS c.other AND {which} \
         WHERE r.event IS NULL ORDER BY c.id"
    );
    list(conn, &sql, params![of.issuer.as_bytes(), of.serial.as_bytes()], certificate_row)
}

/// Certificates whose time to be superseded has come.
pub(crate) fn certificates_due(conn: &Connection, now: i64) -> Found<Vec<Certificate>> {
    let sql = format!("{CERTIFICATE} WHERE c.supersede_at <= ? AND r.event IS NULL ORDER BY c.id");
    list(conn, &sql, [now], certificate_row)
}

/// What the CRL of a generation has to list.
pub(crate) fn listed(conn: &Connection, generation: CaGenerationId) -> Found<Listed> {
    // One read transaction, so that the lists and the event fit together.
    let txn = conn.unchecked_transaction()?;
    let revocations = revocations(&txn, generation)?;
    let holds = holds(&txn, generation)?;
    Ok(Listed { revocations, holds, through: event_latest(&txn)? })
}

fn revocations(conn: &Connection, generation: CaGenerationId) -> Found<Vec<Revocation>> {
    let sql = "SELECT c.serial, c.issued_by, r.at, r.reason, r.event, g.issuer FROM revocations r \
         JOIN certificates c ON c.id = r.certificate JOIN ca_generations g ON g.id = c.issued_by \
         WHERE c.issued_by = ? ORDER BY r.event";
    list(conn, sql, [generation.get()], |row| {
        Ok(Revocation {
            id: CertificateId { issuer: issuer(row, 5)?, serial: serial(row, 0)? },
            issued_by: CaGenerationId::from_row(row.get(1)?),
            at: moment(row, 2, "time of a revocation")?,
            reason: reason(row, 3)?,
            event: event_id(row, 4)?,
        })
    })
}

/// Certificates of devices that are kept out, by themselves or with their user. Those are few, so they are
/// looked for first.
fn holds(conn: &Connection, generation: CaGenerationId) -> Found<Vec<Hold>> {
    let sql = "SELECT c.serial, g.issuer, d.disabled_at, u.disabled_at \
         FROM (SELECT id FROM devices WHERE disabled_at IS NOT NULL UNION SELECT x.id FROM users y \
             JOIN devices x ON x.user = y.id AND x.removed_at IS NULL \
             WHERE y.disabled_at IS NOT NULL) out \
         CROSS JOIN devices d ON d.id = out.id AND d.removed_at IS NULL \
         JOIN users u ON u.id = d.user JOIN certificates c ON c.device = d.id \
         JOIN ca_generations g ON g.id = c.issued_by \
         LEFT JOIN revocations r ON r.certificate = c.id \
         WHERE c.issued_by = ? AND r.event IS NULL";
    list(conn, sql, [generation.get()], |row| {
        let device = maybe_moment(row, 2, "time of a device")?;
        let user = maybe_moment(row, 3, "time of a user")?;
        let id = CertificateId { issuer: issuer(row, 1)?, serial: serial(row, 0)? };
        let at = hold_since(user, device).unwrap_or_default();
        Ok(Hold { id, at })
    })
}

pub(crate) fn ca_generation_list(conn: &Connection) -> Found<Vec<CaGeneration>> {
    list(conn, &format!("{CA_GENERATION} ORDER BY id"), [], ca_generation)
}

/// What the certificates of a generation are known by.
pub(crate) fn issuer_of(conn: &Connection, id: CaGenerationId) -> Found<Option<IssuerId>> {
    let sql = "SELECT issuer FROM ca_generations WHERE id = ?";
    first(conn, sql, [id.get()], |row| issuer(row, 0))
}

/// The generation whose certificates are known so.
pub(crate) fn generation_of(conn: &Connection, of: &IssuerId) -> Found<Option<CaGenerationId>> {
    let sql = "SELECT id FROM ca_generations WHERE issuer = ?";
    first(conn, sql, [of.as_bytes()], |row| Ok(CaGenerationId::from_row(row.get(0)?)))
}

pub(crate) fn lease_highest(conn: &Connection) -> Found<Option<u32>> {
    Ok(first(conn, "SELECT max(ipv4) FROM leases", [], |row| Ok(row.get(0)?))?.flatten())
}

/// The lowest host number in this range that is not leased.
pub(crate) fn lease_gap(conn: &Connection, from: u32, last: u32) -> Found<Option<u32>> {
    let sql = "SELECT h FROM (SELECT ?1 AS h UNION SELECT ipv4 + 1 FROM leases) \
         WHERE h BETWEEN ?1 AND ?2 AND h NOT IN (SELECT ipv4 FROM leases) ORDER BY h LIMIT 1";
    first(conn, sql, [from, last], |row| Ok(row.get(0)?))
}

pub(crate) fn crl_list(conn: &Connection) -> Found<Vec<Crl>> {
    list(conn, CRL, [], crl)
}

pub(crate) fn crl_latest(conn: &Connection, generation: CaGenerationId) -> Found<Option<Crl>> {
    first(conn, &format!("{CRL} WHERE generation = ?"), [generation.get()], crl)
}

pub(crate) fn setting(conn: &Connection, name: &str) -> Found<Option<String>> {
    first(conn, "SELECT value FROM settings WHERE name = ?", [name], |row| Ok(row.get(0)?))
}

pub(crate) fn setting_list(conn: &Connection) -> Found<BTreeMap<String, String>> {
    let all =
        list(conn, "SELECT name, value FROM settings", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(all.into_iter().collect())
}

/// Those whose names begin so.
pub(crate) fn settings_below(
    conn: &Connection,
    beginning: &str,
) -> Found<BTreeMap<String, String>> {
    // Names are compared by their octets, and none has a character beyond the last one.
    let sql = "SELECT name, value FROM settings WHERE name >= ?1 AND name < ?1 || char(0x10FFFF)";
    let these = list(conn, sql, [beginning], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(these.into_iter().collect())
}

pub(crate) fn secret_names_below(conn: &Connection, beginning: &str) -> Found<HashSet<String>> {
    let sql = "SELECT name FROM secrets WHERE name >= ?1 AND name < ?1 || char(0x10FFFF)";
    Ok(list(conn, sql, [beginning], |row| Ok(row.get(0)?))?.into_iter().collect())
}

pub(crate) fn secret(conn: &Connection, name: &str) -> Found<Option<Secret>> {
    first(conn, "SELECT value FROM secrets WHERE name = ?", [name], |row| {
        Ok(Secret::new(row.get(0)?))
    })
}

pub(crate) fn event_latest(conn: &Connection) -> Found<EventId> {
    let id = first(conn, "SELECT event FROM chain_head", [], |row| Ok(event_id(row, 0)?))?;
    id.ok_or(Fault::Unreadable { what: "head of the event chain" }.into())
}

fn list<T, P: Params>(
    conn: &Connection,
    sql: &str,
    params: P,
    read: impl Fn(&Row<'_>) -> Found<T>,
) -> Found<Vec<T>> {
    let mut statement: CachedStatement<'_> = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn first<T, P: Params>(
    conn: &Connection,
    sql: &str,
    params: P,
    read: impl Fn(&Row<'_>) -> Found<T>,
) -> Found<Option<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    statement.query_row(params, |row| Ok(read(row))).optional()?.transpose()
}

fn user_row(row: &Row<'_>) -> Found<User> {
    Ok(User {
        id: UserId::from_row(row.get(0)?),
        name: user_name(row, 1)?,
        disabled_at: maybe_moment(row, 2, "time of a user")?,
        added_at: moment(row, 3, "time of a user")?,
    })
}

fn device_row(row: &Row<'_>) -> Found<Device> {
    let name: String = row.get(3)?;
    Ok(Device {
        id: DeviceId::from_row(row.get(0)?),
        user: UserId::from_row(row.get(1)?),
        user_name: user_name(row, 2)?,
        name: DeviceName::new(&name).map_err(|_| Fault::Unreadable { what: "name of a device" })?,
        disabled_at: maybe_moment(row, 4, "time of a device")?,
        added_at: moment(row, 5, "time of a device")?,
        lease: lease(row, 6)?,
    })
}

fn lease(row: &Row<'_>, at: usize) -> Found<Option<Lease>> {
    if row.get::<_, Option<i64>>(at)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Lease {
        ipv4: number(row, at, "IPv4 host number of a lease")?,
        ipv6: number(row, at + 1, "IPv6 host number of a lease")?,
    }))
}

fn certificate_row(row: &Row<'_>) -> Found<Certificate> {
    let issued_by = CaGenerationId::from_row(row.get(7)?);
    let id = CertificateId { issuer: issuer(row, 16)?, serial: serial(row, 0)? };
    Ok(Certificate {
        id,
        fingerprint: Fingerprint::from_bytes(row.get(18)?),
        holder: holder(row)?,
        subject: row.get(4)?,
        not_before: moment(row, 5, "start of a certificate")?,
        not_after: moment(row, 6, "end of a certificate")?,
        issued_by,
        recorded_at: moment(row, 8, "time of a certificate")?,
        connected_at: maybe_moment(row, 9, "first use of a certificate")?,
        superseded_by: successor(row)?,
        supersede_at: maybe_moment(row, 11, "deadline of a certificate")?,
        revocation: revocation_of(row, id, issued_by)?,
        public_key: KeyId::from_bytes(row.get(19)?),
        der: row.get(15)?,
    })
}

fn successor(row: &Row<'_>) -> Found<Option<CertificateId>> {
    let Some(bytes) = row.get::<_, Option<Vec<u8>>>(10)? else { return Ok(None) };
    Ok(Some(CertificateId { issuer: issuer(row, 17)?, serial: parse_serial(&bytes)? }))
}

pub(super) fn issuer(row: &Row<'_>, at: usize) -> Found<IssuerId> {
    Ok(IssuerId::from_bytes(row.get(at)?))
}

fn revocation_of(
    row: &Row<'_>,
    id: CertificateId,
    issued_by: CaGenerationId,
) -> Found<Option<Revocation>> {
    let Some(at) = maybe_moment(row, 12, "time of a revocation")? else { return Ok(None) };
    let event = event_id(row, 14)?;
    Ok(Some(Revocation { id, issued_by, at, reason: reason(row, 13)?, event }))
}

fn holder(row: &Row<'_>) -> Found<Holder> {
    match (row.get_ref(1)?.as_str().unwrap_or_default(), row.get(2)?, row.get(3)?) {
        ("device", Some(id), None) => Ok(Holder::Device(DeviceId::from_row(id))),
        ("gateway", None, None) => Ok(Holder::Gateway),
        ("other", None, Some(name)) => Ok(Holder::Other(name)),
        _ => Err(Fault::Unreadable { what: "holder of a certificate" }.into()),
    }
}

fn ca_generation(row: &Row<'_>) -> Found<CaGeneration> {
    Ok(CaGeneration {
        id: CaGenerationId::from_row(row.get(0)?),
        issuer: issuer(row, 7)?,
        serial: serial(row, 1)?,
        subject: row.get(2)?,
        not_before: moment(row, 3, "start of a CA generation")?,
        not_after: moment(row, 4, "end of a CA generation")?,
        added_at: moment(row, 5, "time of a CA generation")?,
        der: row.get(6)?,
    })
}

fn crl(row: &Row<'_>) -> Found<Crl> {
    Ok(Crl {
        generation: CaGenerationId::from_row(row.get(0)?),
        number: number(row, 1, "number of a CRL")?,
        this_update: moment(row, 2, "thisUpdate of a CRL")?,
        next_update: moment(row, 3, "nextUpdate of a CRL")?,
        through: event_id(row, 4)?,
        der: row.get(5)?,
    })
}

fn user_name(row: &Row<'_>, at: usize) -> Found<UserName> {
    let name: String = row.get(at)?;
    UserName::new(&name).map_err(|_| Fault::Unreadable { what: "name of a user" }.into())
}

pub(super) fn serial(row: &Row<'_>, at: usize) -> Found<Serial> {
    parse_serial(&row.get::<_, Vec<u8>>(at)?)
}

fn parse_serial(bytes: &[u8]) -> Found<Serial> {
    Serial::from_bytes(bytes).map_err(|_| Fault::Unreadable { what: "serial number" }.into())
}

fn reason(row: &Row<'_>, at: usize) -> Found<RevocationReason> {
    RevocationReason::from_code(number(row, at, "reason of a revocation")?)
        .ok_or(Fault::Unreadable { what: "reason of a revocation" }.into())
}

fn number<T: TryFrom<i64>>(row: &Row<'_>, at: usize, what: &'static str) -> Found<T> {
    T::try_from(row.get(at)?).map_err(|_| Fault::Unreadable { what }.into())
}

fn moment(row: &Row<'_>, at: usize, what: &'static str) -> Found<Timestamp> {
    number(row, at, what).map(Timestamp::from_unix_secs)
}

fn maybe_moment(row: &Row<'_>, at: usize, what: &'static str) -> Found<Option<Timestamp>> {
    let value: Option<i64> = row.get(at)?;
    value.map(|_| moment(row, at, what)).transpose()
}
