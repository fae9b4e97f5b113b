//! polkit, where it is installed: lets users who are no administrators of Harmonix do what it grants them.

use std::collections::HashMap;

use zbus::{Connection, Variant, names::OwnedUniqueName};

/// Whether polkit grants an action to a sender. Without polkit nothing is granted.
pub(super) async fn grants(
    connection: &Connection,
    sender: &OwnedUniqueName,
    action: &str,
    may_ask: bool,
) -> bool {
    // the bus name is the subject: it cannot be taken over by another process, as a process id can
    let subject = ("system-bus-name", HashMap::from([("name", Variant::from(sender.as_str()))]));
    let arguments = (subject, action, HashMap::<&str, &str>::new(), u32::from(may_ask), "");
    let reply = connection
        .call_method(
            Some("org.freedesktop.PolicyKit1"),
            "/org/freedesktop/PolicyKit1/Authority",
            Some("org.freedesktop.PolicyKit1.Authority"),
            "CheckAuthorization",
            &arguments,
        )
        .await;
    let granted = reply.and_then(|reply| {
        let (granted, _, _): (bool, bool, HashMap<String, String>) = reply.body().deserialize()?;
        Ok(granted)
    });
    match granted {
        Ok(granted) => granted,
        Err(error) => {
            tracing::debug!(%error, "polkit was not asked");
            false
        }
    }
}
