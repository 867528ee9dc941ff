//! What an error shows: nothing that is secret.

use std::{error::Error as StdError, fmt, io};

use super::{
    error::{Error, Inner, Node},
    kind::ErrorKind,
    one_line::OneLine,
    script_exhausted::ScriptExhausted,
    secrets::{RequestHead, Secrets},
};
use crate::{
    attempts::Attempt,
    decide::{effect::Effect, stop::Applied},
    key::IdempotencyKey,
    wire::causes::causes,
};

/// Text from outside, on one line, short, and without the secrets of the call should the service repeat them.
struct Quoted<'a> {
    text: &'a str,
    secrets: &'a Secrets,
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 300;
        let (text, has_more) = self.secrets.hidden_in(self.text, MOST);
        write!(f, "{}", OneLine(text))?;
        if has_more { f.write_str("...") } else { Ok(()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { applied, effect, .. } = self.inner();
        write!(f, "{}: {}", self.service(), ErrorLine(self))?;
        match applied {
            _ if *effect == Effect::Read => Ok(()),
            Applied::Unknown => write!(f, "; {applied}: {}", self.advice()),
            Applied::Yes | Applied::No => write!(f, "; {applied}"),
        }
    }
}

/// An error in an event. What the event's span and the event itself say is left out: the service, and whether the write
/// took effect.
pub(crate) struct ErrorLine<'a>(pub(crate) &'a Error);

impl fmt::Display for ErrorLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_line(f)
    }
}

impl RequestHead {
    /// The path, without the secrets that the request carried.
    pub(crate) fn shown_path(&self, key: Option<&IdempotencyKey>) -> String {
        Quoted { text: self.url.path(), secrets: &self.secrets(key, None) }.to_string()
    }
}

impl Error {
    fn write_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { method, request, attempts, stop, .. } = self.inner();
        let template = self.template();
        let secrets = request.secrets(self.key(), template.as_deref());
        let quoted = |text| Quoted { text, secrets: &secrets };
        match &template {
            Some(template) => write!(f, "{method} {template}: ")?,
            None => write!(f, "{method} {}: ", quoted(self.path()))?,
        }
        self.write_outcome(f)?;
        if let Some(code) = self.code() {
            write!(f, " [{}]", quoted(code))?;
        }
        if !self.message().is_empty() {
            write!(f, " \"{}\"", quoted(self.message()))?;
        }
        let count = attempts.count();
        let unit = if count == 1 { "attempt" } else { "attempts" };
        write!(f, " ({count} {unit}, {} ms); {stop}", attempts.elapsed().as_millis())
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        self.details().source.iter().flat_map(|source| causes(&**source))
    }

    fn connection_failure(&self) -> Option<io::ErrorKind> {
        let mut kinds = self.causes().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        kinds.find(|kind| OF_CONNECTIONS.contains(kind))
    }

    /// hyper-util has no public type for this error, so its text is compared.
    fn is_of_host_name(&self) -> bool {
        self.causes().any(|cause| cause.to_string() == "dns error")
    }

    /// Only with a scripted transport.
    fn is_of_script(&self) -> bool {
        self.causes().any(|cause| cause.is::<ScriptExhausted>())
    }

    fn write_outcome(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.status(), self.attempts().iter().last().map(Attempt::outcome)) {
            (ErrorKind::QueueRefused, ..) => {
                let (waited, limit) = self.queue_refusal().unwrap_or_default();
                write!(f, "gave up after {waited:.0?} in the queue (limit {limit}), nothing was sent")
            }
            (_, Some(status), _) => write!(f, "{status}"),
            (_, None, Some(_)) if self.is_timeout() => f.write_str("timed out"),
            (_, None, Some(_)) if self.is_of_script() => f.write_str("the test's script has no reply left for it"),
            (_, None, Some(_)) if self.is_of_host_name() => f.write_str("host name not resolved"),
            (_, None, Some(outcome)) => match self.connection_failure() {
                Some(cause) => write!(f, "{cause}"),
                None => write!(f, "{outcome}"),
            },
            (ErrorKind::Transport, None, None) => f.write_str("not sent"),
            (kind, None, None) => {
                write!(f, "{kind}, nothing was sent")?;
                self.details().source.iter().try_for_each(|cause| write!(f, ": {}", OneLine(cause)))
            }
        }
    }
}

/// What the operating system may say of a connection. Its words are fixed: nothing of a request is in them.
const OF_CONNECTIONS: [io::ErrorKind; 9] = [
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkDown,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::UnexpectedEof,
];

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, stop, applied, key, attempts, .. } = self.inner();
        f.debug_struct("Error")
            .field("message", &format_args!("{self}"))
            .field("kind", kind)
            .field("stop", stop)
            .field("applied", applied)
            .field("key", key)
            .field("attempts", &format_args!("{attempts}"))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.kind, f)
    }
}
