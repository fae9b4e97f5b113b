//! Errors on the bus: `org.harmonix1.Error.<Kind>`, with the message, the hint (empty when there is none) and the causes.

use harmonix_ipc::{Error, ErrorKind};
use zbus::{DBusError, Message, message::Header, names::ErrorName};

/// An error on its way to the bus.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Error);

impl Failure {
    /// A call whose arguments are not what the method takes.
    pub(super) fn arguments(error: &zbus::Error) -> Self {
        Self(
            Error::new(ErrorKind::InvalidRequest, format!("the arguments are not understood: {error}"))
                .hint("`busctl introspect org.harmonix1 /org/harmonix1` shows the signatures"),
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl DBusError for Failure {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        let Error { message, hint, causes, .. } = &self.0;
        Message::error(call, self.name()).build(&(message, hint.as_deref().unwrap_or_default(), causes))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_string_unchecked(self.0.kind.dbus_name())
    }

    fn description(&self) -> Option<&str> {
        Some(&self.0.message)
    }
}
