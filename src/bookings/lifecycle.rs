//! The booking and supplier machines: what may follow what, and what that makes necessary. Pure.
//!
//! The database's `booking_transitions` holds the same moves; a test keeps the two equal.

/// The answer of a machine to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<S, E> {
    /// Go there and do these things, all in one transaction.
    Move { to: S, effects: Vec<E> },
    /// Stay, but something has to be done about it.
    Stay { effects: Vec<E> },
    /// Heard before, or overtaken: nothing to do.
    Replay,
    /// Must not happen: nothing moves, a person looks.
    Illegal,
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As the database keeps it.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::bookings::lifecycle::UnknownState;
            fn from_str(code: &str) -> Result<Self, Self::Err> {
                match code {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::bookings::lifecycle::UnknownState(other.to_owned())),
                }
            }
        }
    };
}
pub(crate) use states;

#[derive(Debug, thiserror::Error)]
#[error("unknown state {0:?}")]
pub struct UnknownState(pub String);

states! {
    BookingState {
        Draft => "draft",
        Held => "held",
        Ticketing => "ticketing",
        Confirmed => "confirmed",
        Cancelling => "cancelling",
        Cancelled => "cancelled",
        Expired => "expired",
        Failed => "failed",
    }
}

impl BookingState {
    /// Nothing more happens by itself.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired | Self::Failed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BookingEvent {
    /// The supplier keeps the seats for us.
    HoldPlaced,
    /// An attempt of this booking is authorised (or captured), and it is not the one that secured it before.
    MoneySecured,
    /// The money behind its tickets was lost before it was taken, and another attempt has replaced it.
    PaidAgain,
    /// The supplier has issued the tickets.
    Ordered,
    /// The supplier will not sell: sold out, refused, dearer.
    NotOrdered,
    /// The time to pay is over, and Stripe has confirmed that nobody can pay any more.
    HoldLapsed,
    /// The traveller gave it up before paying.
    Dropped,
    /// The traveller accepted a cancel quote.
    CancelAccepted,
    /// The money behind its tickets was lost, and nobody has paid for them again in time.
    Unpaid,
    /// The supplier has cancelled the tickets.
    SupplierCancelled,
    /// The supplier would not cancel: the tickets stay good.
    CancelRefused,
}

impl BookingEvent {
    pub const ALL: &[Self] = &[
        Self::HoldPlaced,
        Self::MoneySecured,
        Self::PaidAgain,
        Self::Ordered,
        Self::NotOrdered,
        Self::HoldLapsed,
        Self::Dropped,
        Self::CancelAccepted,
        Self::Unpaid,
        Self::SupplierCancelled,
        Self::CancelRefused,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BookingEffect {
    OrderAtSupplier,
    CaptureMoney,
    /// Release what is authorised, refund what is captured, of every attempt that this booking does not need.
    ReturnMoney,
    ReleaseHold,
    MailConfirmation,
    MailNotTicketed,
    MailExpired,
    RaiseTicketWithoutBooking,
}

pub type BookingStep = Step<BookingState, BookingEffect>;

pub fn next_booking(state: BookingState, event: BookingEvent) -> BookingStep {
    use BookingEffect as Do;
    use BookingEvent as On;
    use BookingState as In;
    let go = |to, effects: &[Do]| Step::Move { to, effects: effects.to_vec() };
    let stay = |effects: &[Do]| Step::Stay { effects: effects.to_vec() };
    match (state, event) {
        (In::Draft, On::HoldPlaced) => go(In::Held, &[]),
        (In::Draft, On::HoldLapsed) => go(In::Expired, &[]),
        (In::Draft, On::Dropped) => go(In::Cancelled, &[]),

        (In::Held, On::HoldPlaced) => Step::Replay,
        (In::Held, On::MoneySecured) => go(In::Ticketing, &[Do::OrderAtSupplier]),
        (In::Held, On::HoldLapsed) => go(In::Expired, &[Do::ReleaseHold, Do::MailExpired]),
        (In::Held, On::Dropped) => go(In::Cancelled, &[Do::ReleaseHold]),

        // Paid after the hold had run out: try once to get the seats at no more than the accepted price.
        (In::Expired, On::MoneySecured) => go(In::Ticketing, &[Do::OrderAtSupplier]),

        (In::Ticketing, On::Ordered) => go(In::Confirmed, &[Do::CaptureMoney, Do::MailConfirmation]),
        (In::Ticketing, On::NotOrdered) => {
            go(In::Failed, &[Do::ReturnMoney, Do::ReleaseHold, Do::MailNotTicketed])
        }

        (In::Confirmed, On::PaidAgain) => stay(&[Do::CaptureMoney]),
        (In::Confirmed, On::CancelAccepted | On::Unpaid) => go(In::Cancelling, &[]),
        (In::Cancelling, On::SupplierCancelled) => go(In::Cancelled, &[Do::ReturnMoney]),
        // Its money may have waited for the answer.
        (In::Cancelling, On::CancelRefused) => go(In::Confirmed, &[Do::CaptureMoney]),

        // A second tab paid too, or the money came after the end: the booking is untouched, the money goes back.
        (In::Ticketing | In::Confirmed | In::Cancelling | In::Cancelled | In::Failed, On::MoneySecured) => {
            stay(&[Do::ReturnMoney])
        }

        // Tickets for a booking that has ended: somebody would fly unpaid, or pay twice.
        (In::Cancelled | In::Expired | In::Failed, On::Ordered) => stay(&[Do::RaiseTicketWithoutBooking]),

        // Timers and answers that were overtaken.
        (In::Confirmed | In::Cancelling, On::Ordered)
        | (In::Cancelling, On::CancelAccepted | On::Unpaid)
        | (In::Failed, On::NotOrdered)
        | (In::Cancelled, On::SupplierCancelled | On::Dropped | On::Unpaid)
        | (In::Confirmed, On::CancelRefused)
        | (
            In::Ticketing | In::Confirmed | In::Cancelling | In::Cancelled | In::Expired | In::Failed,
            On::HoldLapsed,
        ) => Step::Replay,

        (In::Draft, On::MoneySecured | On::Ordered | On::NotOrdered | On::CancelAccepted)
        | (In::Held, On::Ordered | On::NotOrdered | On::CancelAccepted)
        | (In::Ticketing, On::HoldPlaced | On::Dropped | On::CancelAccepted)
        | (In::Confirmed, On::HoldPlaced | On::NotOrdered | On::Dropped | On::SupplierCancelled)
        | (In::Cancelling, On::HoldPlaced | On::NotOrdered | On::Dropped)
        | (In::Cancelled, On::HoldPlaced | On::NotOrdered | On::CancelAccepted | On::CancelRefused)
        | (In::Expired, On::HoldPlaced | On::NotOrdered | On::Dropped | On::CancelAccepted)
        | (In::Failed, On::HoldPlaced | On::Dropped | On::CancelAccepted)
        | (
            In::Draft | In::Held | In::Ticketing | In::Expired | In::Failed,
            On::SupplierCancelled | On::CancelRefused | On::Unpaid,
        )
        | (
            In::Draft | In::Held | In::Ticketing | In::Cancelling | In::Cancelled | In::Expired | In::Failed,
            On::PaidAgain,
        ) => Step::Illegal,
    }
}

states! {
    SupplierState {
        None => "none",
        Ordering => "ordering",
        OrderUnknown => "order_unknown",
        Ordered => "ordered",
        Refused => "refused",
        Cancelling => "cancelling",
        Cancelled => "cancelled",
        ChangedByAirline => "changed_by_airline",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SupplierEvent {
    /// We are about to ask, having made sure that no order exists.
    Asked,
    /// No answer came: only a look-up may settle it.
    NoAnswer,
    /// An order of ours exists.
    Ordered,
    /// A definite no.
    Refused,
    CancelAsked,
    Cancelled,
    CancelRefused,
    ChangedByAirline,
}

impl SupplierEvent {
    pub const ALL: &[Self] = &[
        Self::Asked,
        Self::NoAnswer,
        Self::Ordered,
        Self::Refused,
        Self::CancelAsked,
        Self::Cancelled,
        Self::CancelRefused,
        Self::ChangedByAirline,
    ];
}

/// The booking machine's share of a supplier event, if it has one.
pub type SupplierStep = Step<SupplierState, BookingEvent>;

pub fn next_supplier(state: SupplierState, event: SupplierEvent) -> SupplierStep {
    use SupplierEvent as On;
    use SupplierState as In;
    let go = |to, effects: &[BookingEvent]| Step::Move { to, effects: effects.to_vec() };
    match (state, event) {
        (In::None | In::OrderUnknown, On::Asked) => go(In::Ordering, &[]),
        (In::Ordering, On::NoAnswer) => go(In::OrderUnknown, &[]),
        (In::Ordering | In::OrderUnknown, On::Ordered) => go(In::Ordered, &[BookingEvent::Ordered]),
        // Never asked, because the money is gone, or asked and refused.
        (In::None | In::Ordering | In::OrderUnknown, On::Refused) => {
            go(In::Refused, &[BookingEvent::NotOrdered])
        }
        // An answer that came after we had given up: somebody holds tickets that nobody pays for.
        (In::Refused, On::Ordered) => Step::Stay { effects: vec![BookingEvent::Ordered] },
        (In::Ordered | In::ChangedByAirline, On::CancelAsked) => go(In::Cancelling, &[]),
        (In::Ordered, On::ChangedByAirline) => go(In::ChangedByAirline, &[]),
        (In::Cancelling, On::Cancelled) => go(In::Cancelled, &[BookingEvent::SupplierCancelled]),
        (In::Cancelling, On::CancelRefused) => go(In::Ordered, &[BookingEvent::CancelRefused]),

        (In::Ordering, On::Asked)
        | (In::OrderUnknown, On::NoAnswer)
        | (In::Ordered | In::ChangedByAirline | In::Cancelling | In::Cancelled, On::Ordered)
        | (In::Refused, On::Refused)
        | (In::Cancelling, On::CancelAsked)
        | (In::Cancelled, On::Cancelled)
        | (In::ChangedByAirline, On::ChangedByAirline)
        // A worker that hung past its lease says what somebody else has long settled: that there is an order is a fact.
        | (
            In::Ordered | In::ChangedByAirline | In::Refused | In::Cancelling | In::Cancelled,
            On::Asked | On::NoAnswer,
        )
        | (In::Ordered | In::ChangedByAirline | In::Cancelling | In::Cancelled, On::Refused) => Step::Replay,

        (In::None, _)
        | (In::Ordering | In::OrderUnknown, _)
        | (In::Ordered | In::ChangedByAirline | In::Refused | In::Cancelling | In::Cancelled, _) => {
            Step::Illegal
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every cell of a machine as one line of text, so that the whole table can be read and compared.
    pub(crate) fn table<S: Copy + std::fmt::Debug, E: Copy + std::fmt::Debug, F: std::fmt::Debug>(
        states: &[S],
        events: &[E],
        next: impl Fn(S, E) -> Step<S, F>,
    ) -> String {
        let mut text = String::new();
        for &state in states {
            for &event in events {
                let cell = match next(state, event) {
                    Step::Move { to, effects } => format!("-> {to:?} {effects:?}"),
                    Step::Stay { effects } => format!("stay {effects:?}"),
                    Step::Replay => "replay".to_owned(),
                    Step::Illegal => "illegal".to_owned(),
                };
                text.push_str(&format!("{state:?} + {event:?}: {cell}\n"));
            }
        }
        text
    }

    #[test]
    fn the_whole_booking_table_is_as_written_down() {
        let table = table(BookingState::ALL, BookingEvent::ALL, next_booking);
        assert_eq!(table, include_str!("booking_table.txt"), "{table}");
    }

    #[test]
    fn the_whole_supplier_table_is_as_written_down() {
        let table = table(SupplierState::ALL, SupplierEvent::ALL, next_supplier);
        assert_eq!(table, include_str!("supplier_table.txt"), "{table}");
    }

    #[test]
    fn a_ticket_is_needed_before_money_is_captured() {
        for &state in BookingState::ALL {
            for &event in BookingEvent::ALL {
                let (to, effects) = match next_booking(state, event) {
                    Step::Move { to, effects } => (to, effects),
                    Step::Stay { effects } => (state, effects),
                    Step::Replay | Step::Illegal => continue,
                };
                if effects.contains(&BookingEffect::CaptureMoney) {
                    let has_ticket = matches!(
                        (state, event),
                        (BookingState::Ticketing, BookingEvent::Ordered)
                            | (BookingState::Confirmed, BookingEvent::PaidAgain)
                            | (BookingState::Cancelling, BookingEvent::CancelRefused)
                    );
                    assert!(has_ticket && to == BookingState::Confirmed, "{state:?} + {event:?}");
                }
            }
        }
    }

    #[test]
    fn no_booking_ends_with_money_unless_the_money_is_sent_back() {
        for &event in BookingEvent::ALL {
            for state in [BookingState::Ticketing, BookingState::Cancelling] {
                if let Step::Move { to, effects } = next_booking(state, event)
                    && to.has_ended()
                {
                    assert!(effects.contains(&BookingEffect::ReturnMoney), "{state:?} + {event:?}");
                }
            }
        }
    }

    #[test]
    fn every_state_reads_back_from_its_code() {
        for &state in BookingState::ALL {
            assert_eq!(state.code().parse::<BookingState>().unwrap(), state);
        }
        for &state in SupplierState::ALL {
            assert_eq!(state.code().parse::<SupplierState>().unwrap(), state);
        }
        assert!("lost".parse::<BookingState>().is_err());
    }

    #[test]
    fn what_has_ended_has_come_to_nothing_more() {
        let ended: Vec<&str> =
            BookingState::ALL.iter().filter(|state| state.has_ended()).map(|state| state.code()).collect();
        assert_eq!(ended, ["cancelled", "expired", "failed"]);
    }
}
