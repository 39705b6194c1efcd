//! The airlines of the demo world. Every name is invented, and no code was an airline's in the open directories of 2026.
//! Hubs and regions are real places.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Hubs, long routes, an alliance.
    Network,
    /// Point to point, cheap, connects with itself only.
    LowCost,
    /// Thin routes to the hubs of others; connects with every network airline.
    Feeder,
}

pub(super) struct Airline {
    pub code: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// 0: none. Members of one alliance connect with each other.
    pub alliance: u8,
    pub regions: &'static [u8],
    pub hubs: &'static str,
    /// First three digits of its tickets.
    pub ticket_prefix: &'static str,
}

/// By their number less one; as invented as their members.
pub(super) const ALLIANCES: [&str; 3] = ["Compass Rose", "Tradewinds", "Meridian Circle"];

const NETWORK: Kind = Kind::Network;
const LOW_COST: Kind = Kind::LowCost;
const FEEDER: Kind = Kind::Feeder;

/// Countries by region; what is not listed belongs to the last.
pub(super) const REGIONS: &[&str] = &[
    "US CA GL PM BM",
    "MX GT BZ SV HN NI CR PA CU DO HT JM BS PR VI VG TC KY AG DM LC VC GD BB TT AW CW BQ SX MF BL GP MQ KN MS AI",
    "BR AR CL PE BO PY UY CO VE EC GY SR GF FK",
    "GB IE IS NO SE FI DK FO EE LV LT IM JE GG AX SJ",
    "DE AT CH NL BE LU FR PL CZ SK HU LI MC",
    "ES PT IT MT GR CY HR SI BA RS ME MK AL BG RO XK GI MD UA",
    "RU BY KZ UZ TM KG TJ GE AM AZ TR",
    "SA AE QA BH KW OM YE IQ IR JO LB SY IL PS EG",
    "MA DZ TN LY EH MR SN GM GW GN SL LR CI GH TG BJ NG NE BF ML CV TD CM CF GA GQ CG ST SD",
    "ET KE UG TZ RW BI SO DJ ER SS CD AO ZM ZW MZ MW BW NA ZA LS SZ MG MU SC RE YT KM SH",
    "IN PK BD LK NP BT MV AF",
    "CN HK MO TW MN",
    "JP KR KP",
    "TH VN KH LA MM MY SG ID PH BN TL",
    "AU NZ PG FJ NC PF VU SB WS TO CK KI NR TV FM MH PW GU MP AS WF NU NF CX CC",
];

macro_rules! airline {
    ($code:literal, $name:literal, $kind:expr, $alliance:literal, $regions:expr, $hubs:literal, $prefix:literal) => {
        Airline {
            code: $code,
            name: $name,
            kind: $kind,
            alliance: $alliance,
            regions: &$regions,
            hubs: $hubs,
            ticket_prefix: $prefix,
        }
    };
}

pub(super) const AIRLINES: &[Airline] = &[
    airline!("3A", "Astrolabe Airways", NETWORK, 1, [0], "JFK ORD DFW SEA", "901"),
    airline!("6L", "Lodestar Air", NETWORK, 2, [0], "ATL DEN LAX YYZ", "902"),
    airline!("5I", "Ironwood Airlines", NETWORK, 3, [0], "SFO MIA EWR IAH", "903"),
    airline!("7D", "Dulce Aerovías", NETWORK, 1, [1], "MEX PTY SDQ", "904"),
    airline!("0S", "Serra do Sul", NETWORK, 2, [2], "GRU GIG BSB", "905"),
    airline!("0L", "Líneas Cóndor Azul", NETWORK, 3, [2], "BOG LIM SCL EZE", "906"),
    airline!("9B", "Beacon & Isles", NETWORK, 1, [3], "LHR DUB EDI", "907"),
    airline!("0N", "Nordlys Air", NETWORK, 2, [3], "CPH ARN OSL HEL", "908"),
    airline!("6X", "Rhenus Airlines", NETWORK, 2, [4], "FRA MUC VIE ZRH", "909"),
    airline!("H0", "Hexagone", NETWORK, 1, [4], "CDG LYS NCE", "911"),
    airline!("4V", "Vaart & Vlucht", NETWORK, 3, [4], "AMS BRU WAW", "912"),
    airline!("0T", "Tejo Airlines", NETWORK, 1, [5], "LIS OPO MAD BCN", "913"),
    airline!("3Y", "Ponente", NETWORK, 2, [5], "FCO MXP ATH", "914"),
    airline!("0U", "Ural Meridian", NETWORK, 0, [6], "SVO LED", "915"),
    airline!("K0", "Karavan Airways", NETWORK, 3, [6], "IST ESB ALA TAS", "916"),
    airline!("0Z", "Zephyr Gulf", NETWORK, 3, [7], "DXB AUH RUH", "917"),
    airline!("8X", "Cedar & Date", NETWORK, 1, [7], "DOH CAI AMM", "918"),
    airline!("W0", "Wadi Atlas", NETWORK, 2, [8], "CMN ALG TUN LOS ACC", "919"),
    airline!("0R", "Rift Valley Wings", NETWORK, 2, [9], "ADD NBO JNB", "921"),
    airline!("6S", "Saffron Airlines", NETWORK, 2, [10], "DEL BOM BLR", "922"),
    airline!("0H", "Huanghe International", NETWORK, 1, [11], "PEK PVG CAN", "923"),
    airline!("0F", "Formosa Strait Air", NETWORK, 2, [11], "HKG TPE", "924"),
    airline!("O5", "Ōtori Airways", NETWORK, 1, [12], "HND NRT KIX", "925"),
    airline!("7X", "Haneul Air", NETWORK, 3, [12], "ICN PUS", "926"),
    airline!("U0", "Nusantara Blue", NETWORK, 3, [13], "CGK KUL DPS", "927"),
    airline!("L0", "Lotus Strait", NETWORK, 1, [13], "SIN BKK SGN MNL", "928"),
    airline!("0K", "Kōwhai Pacific", NETWORK, 1, [14], "SYD MEL AKL BNE", "929"),
    airline!("ZR", "Zigzag", LOW_COST, 0, [0, 1], "", "931"),
    airline!("X2", "Papagayo", LOW_COST, 0, [1, 2], "", "932"),
    airline!("0W", "Wren", LOW_COST, 0, [3, 4, 5], "", "933"),
    airline!("9Z", "Zugvogel", LOW_COST, 0, [3, 4, 5], "", "934"),
    airline!("X0", "Oryx Hop", LOW_COST, 0, [6, 7, 8, 9], "", "935"),
    airline!("Q0", "Quill", LOW_COST, 0, [10], "", "936"),
    airline!("XH", "Hop Lantern", LOW_COST, 0, [11, 12], "", "937"),
    airline!("YA", "Yaya Air", LOW_COST, 0, [13, 14], "", "938"),
    airline!("1J", "Juniper Connect", FEEDER, 0, [0], "", "941"),
    airline!("I1", "Isla Link", FEEDER, 0, [1, 2], "", "942"),
    airline!("Z1", "Hedgerow Regional", FEEDER, 0, [3, 4, 5], "", "943"),
    airline!("XI", "Steppe & Oasis", FEEDER, 0, [6, 7, 8, 9], "", "944"),
    airline!("0Q", "Quay Commuter", FEEDER, 0, [10, 11, 12, 13, 14], "", "945"),
];

pub(super) fn region(country: &str) -> u8 {
    let found = REGIONS.iter().position(|countries| countries.split(' ').any(|code| code == country));
    u8::try_from(found.unwrap_or(REGIONS.len() - 1)).unwrap_or(0)
}

/// May a passenger change from one to the other on one ticket?
pub(super) fn connects(first: u8, second: u8) -> bool {
    if first == second {
        return true;
    }
    let (first, second) = (&AIRLINES[usize::from(first)], &AIRLINES[usize::from(second)]);
    match (first.kind, second.kind) {
        (Kind::LowCost, _) | (_, Kind::LowCost) => false,
        (Kind::Feeder, _) | (_, Kind::Feeder) => true,
        (Kind::Network, Kind::Network) => first.alliance != 0 && first.alliance == second.alliance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_prefixes_are_unique_and_hubs_are_airports() {
        let world = crate::airports::Airports::world();
        for (at, airline) in AIRLINES.iter().enumerate() {
            assert_eq!(airline.code.len(), 2);
            assert_eq!(airline.ticket_prefix.len(), 3);
            for hub in airline.hubs.split_whitespace() {
                assert!(world.airport(hub.parse().unwrap()).is_some(), "{hub}");
            }
            for other in &AIRLINES[at + 1..] {
                assert!(airline.code != other.code && airline.name != other.name);
                assert_ne!(airline.ticket_prefix, other.ticket_prefix);
            }
        }
        assert_eq!(region("PT"), 5);
        assert_eq!(region("US"), 0);
    }

    #[test]
    fn every_region_has_a_network_airline_a_low_cost_and_a_feeder() {
        for region in 0..REGIONS.len() {
            let region = u8::try_from(region).unwrap();
            for kind in [NETWORK, LOW_COST, FEEDER] {
                assert!(
                    AIRLINES.iter().any(|a| a.kind == kind && a.regions.contains(&region)),
                    "{region} {kind:?}"
                );
            }
        }
    }
}
