//! Cities with several airports.

/// Code, name, airports. Where the code is also an airport's own, typing it means the whole city.
pub(super) const CITIES: &[(&str, &str, &str)] = &[
    ("BFS", "Belfast", "BFS BHD"),
    ("BJS", "Beijing", "PEK PKX"),
    ("BKK", "Bangkok", "BKK DMK"),
    ("BUE", "Buenos Aires", "EZE AEP"),
    ("CHI", "Chicago", "ORD MDW"),
    ("IEV", "Kyiv", "KBP IEV"),
    ("IST", "Istanbul", "IST SAW"),
    ("JKT", "Jakarta", "CGK HLP"),
    ("LON", "London", "LHR LGW STN LTN LCY SEN"),
    ("MIL", "Milan", "MXP LIN BGY"),
    ("MOW", "Moscow", "SVO DME VKO ZIA"),
    ("NYC", "New York", "JFK EWR LGA"),
    ("OSA", "Osaka", "KIX ITM UKB"),
    ("PAR", "Paris", "CDG ORY BVA"),
    ("QDF", "Dallas", "DFW DAL"),
    ("QHO", "Houston", "IAH HOU"),
    ("REK", "Reykjavik", "KEF RKV"),
    ("RIO", "Rio de Janeiro", "GIG SDU"),
    ("ROM", "Rome", "FCO CIA"),
    ("SAO", "São Paulo", "GRU CGH VCP"),
    ("SEL", "Seoul", "ICN GMP"),
    ("SHA", "Shanghai", "PVG SHA"),
    ("SPK", "Sapporo", "CTS OKD"),
    ("STO", "Stockholm", "ARN BMA NYO VST"),
    ("TCI", "Tenerife", "TFS TFN"),
    ("THR", "Tehran", "IKA THR"),
    ("TPE", "Taipei", "TPE TSA"),
    ("TYO", "Tokyo", "HND NRT"),
    ("WAS", "Washington", "IAD DCA BWI"),
    ("YMQ", "Montreal", "YUL YHU"),
    ("YTO", "Toronto", "YYZ YTZ"),
];

/// Where cities of one name have airports of one size class, the one with more passengers a year; those that the alphabet puts
/// first anyway are not listed.
pub(super) const FIRST_OF_NAME: &[&str] = &["BHX", "LFT", "SAI", "ZLO", "ZYI"];
