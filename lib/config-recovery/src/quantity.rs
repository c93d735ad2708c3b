//! Kubernetes' way to write sizes (`apimachinery/pkg/api/resource/quantity.go`).

/// The bytes that a quantity means, rounded up; `None` for what is no quantity, is negative or does not fit.
pub(crate) fn bytes_of(quantity: &str) -> Option<u64> {
    let text = quantity.strip_prefix('+').unwrap_or(quantity);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let ten = |exponent: u32| 10_u128.checked_pow(exponent);
    let (factor, divisor) = match suffix {
        "" => (1, 1),
        "n" => (1, ten(9)?),
        "u" => (1, ten(6)?),
        "m" => (1, ten(3)?),
        "k" => (ten(3)?, 1),
        "M" => (ten(6)?, 1),
        "G" => (ten(9)?, 1),
        "T" => (ten(12)?, 1),
        "P" => (ten(15)?, 1),
        "E" => (ten(18)?, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let exponent: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            match u32::try_from(exponent) {
                Ok(exponent) => (ten(exponent)?, 1),
                Err(_) => (1, ten(exponent.unsigned_abs())?),
            }
        }
    };
    let divisor = divisor.checked_mul(ten(u32::try_from(fraction.len()).ok()?)?)?;
    u64::try_from(digits.checked_mul(factor)?.div_ceil(divisor)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_kubernetes_takes_is_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1073741824", 1 << 30),
            ("1Gi", 1 << 30),
            ("+1.5Gi", 3 << 29),
            ("100Mi", 100 << 20),
            ("1k", 1_000),
            ("5G", 5_000_000_000),
            ("1E", 1_000_000_000_000_000_000),
            ("1e3", 1_000),
            ("1E3", 1_000),
            ("12e-1", 2),
            ("1500m", 2),
            ("1n", 1),
            (".5Ki", 512),
            ("2.", 2),
            ("3Ti", 3 << 40),
            ("3Pi", 3 << 50),
            ("15Ei", 15 << 60),
        ] {
            assert_eq!(bytes_of(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in [
            "",
            "-1",
            "Gi",
            "1.2.3",
            "1GiB",
            "1 Gi",
            "one",
            "1e",
            "1e99",
            "16Ei",
            "1e-99",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
    }
}
