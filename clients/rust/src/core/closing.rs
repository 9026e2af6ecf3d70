//! What the end of a connection means: dial at once, back off, or stop.

use chatcluster_protocol::client::CloseCode;

/// What to do after a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Dial again at once: another gateway takes the session.
    AtOnce,
    /// Dial again, later after each failure.
    BackOff,
    /// A new token may help; anything else would not.
    NeedsToken,
    /// Do not dial: somebody must change what the text says.
    Stop(&'static str),
}

/// The range of the code decides, so that codes of newer gateways are understood too. Codes of
/// RFC 6455 (a proxy, a crash, a frame that was too large) and unknown ones mean back-off.
pub(super) fn verdict(code: u16) -> Verdict {
    match code {
        4000..=4099 => Verdict::AtOnce,
        4200..=4299 => stop(code),
        _ => Verdict::BackOff,
    }
}

fn stop(code: u16) -> Verdict {
    match CloseCode::ALL.into_iter().find(|known| known.code() == code) {
        Some(CloseCode::BadToken | CloseCode::TokenExpired | CloseCode::Revoked) => {
            Verdict::NeedsToken
        }
        Some(CloseCode::Violation | CloseCode::HelloTimeout) => {
            Verdict::Stop("this client does not speak the gateway's protocol: use a newer client")
        }
        Some(CloseCode::Replaced) => Verdict::Stop(
            "another program uses the same device: end it, or choose another device id",
        ),
        Some(CloseCode::TooManyDevices) => {
            Verdict::Stop("the user has as many devices as one may have: use the id of one of them")
        }
        _ => Verdict::Stop("the gateway wants something to change first; its reason says what"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_decides_also_for_codes_that_are_not_known_yet() {
        for (codes, expected) in [
            (4000..=4099, Verdict::AtOnce),
            (4100..=4199, Verdict::BackOff),
            (1000..=1015, Verdict::BackOff),
        ] {
            assert!(codes.into_iter().all(|code| verdict(code) == expected));
        }
        for code in 4200..=4299 {
            assert!(matches!(verdict(code), Verdict::NeedsToken | Verdict::Stop(_)), "{code}");
        }
    }

    #[test]
    fn only_a_token_can_be_changed_without_a_person() {
        let needs_token: Vec<_> =
            (0..=4999).filter(|code| verdict(*code) == Verdict::NeedsToken).collect();
        assert_eq!(needs_token, [4200, 4201, 4206]);
    }
}
