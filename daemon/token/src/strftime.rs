//! Dates as templates ask for them, in the C locale.

/// Names of months and days.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// A moment, taken apart.
struct Moment {
    year: i64,
    month: usize,
    day: i64,
    /// Day of the year, from 1.
    ordinal: i64,
    /// Days since Sunday.
    weekday: usize,
    second: i64,
}

impl Moment {
    /// The moment `unix_s` seconds after 1970, which are those of the place's own clock.
    fn of(unix_s: i64) -> Self {
        let days = unix_s.div_euclid(DAY_S);
        // Years begin with March, so that the odd day of a leap year is the last; eras are the 400 years after which
        // the calendar repeats.
        let shifted = days.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = (from_march + 2) % 12;
        let year = era * 400 + year_of_era + i64::from(month < 2);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let ordinal = if month < 2 {
            of_year - 305
        } else {
            of_year + 60 + i64::from(leap)
        };
        let small = |n: i64| usize::try_from(n).unwrap_or(0);
        Self {
            year,
            month: small(month),
            day,
            ordinal,
            weekday: small((days.rem_euclid(7) + 4) % 7),
            second: unix_s.rem_euclid(DAY_S),
        }
    }

    fn name<'n>(names: &[&'n str], at: usize) -> &'n str {
        names.get(at).copied().unwrap_or_default()
    }

    fn field(&self, letter: char) -> Option<String> {
        let hour = self.second / 3600;
        let minute = self.second / 60 % 60;
        let twelve = (hour + 11) % 12 + 1;
        let month = self.month + 1;
        let day = self.day;
        let month_name = Self::name(&MONTHS, self.month);
        let day_name = Self::name(&DAYS, self.weekday);
        let three = |name: &str| name.chars().take(3).collect::<String>();
        Some(match letter {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'm' => format!("{month:02}"),
            'd' => format!("{day:02}"),
            'e' => format!("{day:2}"),
            'j' => format!("{:03}", self.ordinal),
            'B' => month_name.to_owned(),
            'b' | 'h' => three(month_name),
            'A' => day_name.to_owned(),
            'a' => three(day_name),
            'w' => self.weekday.to_string(),
            'H' => format!("{hour:02}"),
            'I' => format!("{twelve:02}"),
            'M' => format!("{minute:02}"),
            'S' => format!("{:02}", self.second % 60),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'F' => format!("{}-{month:02}-{day:02}", self.year),
            'T' => format!("{hour:02}:{minute:02}:{:02}", self.second % 60),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}

/// The moment in the form `format` asks for; `None` when it asks for something that is not known here.
pub(crate) fn strftime(format: &str, unix_s: i64) -> Option<String> {
    // Moments a calendar of four digits has not are nobody's now.
    if !(-62_135_596_800..253_402_300_800).contains(&unix_s) {
        return None;
    }
    let moment = Moment::of(unix_s);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match letters.next()? {
            '-' => {
                let field = moment.field(letters.next()?)?;
                let bare = field.trim_start_matches(['0', ' ']);
                out.push_str(if bare.is_empty() { "0" } else { bare });
            }
            letter => out.push_str(&moment.field(letter)?),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::strftime;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let all = "%Y-%m-%d %H:%M:%S %a %A %b %B %j %I %p %y %e %w %F %T %-d %-m %%";
        let known = [
            (
                0,
                "1970-01-01 00:00:00 Thu Thursday Jan January 001 12 AM 70  1 4 1970-01-01 00:00:00 1 1 %",
            ),
            (
                951_782_400,
                "2000-02-29 00:00:00 Tue Tuesday Feb February 060 12 AM 00 29 2 2000-02-29 00:00:00 29 2 %",
            ),
            (
                1_735_689_599,
                "2024-12-31 23:59:59 Tue Tuesday Dec December 366 11 PM 24 31 2 2024-12-31 23:59:59 31 12 %",
            ),
            (
                -1,
                "1969-12-31 23:59:59 Wed Wednesday Dec December 365 11 PM 69 31 3 1969-12-31 23:59:59 31 12 %",
            ),
            (
                4_107_585_600,
                "2100-03-01 12:00:00 Mon Monday Mar March 060 12 PM 00  1 1 2100-03-01 12:00:00 1 3 %",
            ),
        ];
        for (unix_s, expected) in known {
            assert_eq!(strftime(all, unix_s).as_deref(), Some(expected));
        }
        assert_eq!(strftime("%Q", 0), None);
        assert_eq!(strftime("%", 0), None);
        assert_eq!(strftime("%Y", i64::MAX), None);
    }
}
