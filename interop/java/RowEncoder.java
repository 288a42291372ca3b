import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import org.apache.paimon.data.Blob;
import org.apache.paimon.data.Decimal;
import org.apache.paimon.data.InternalArray;
import org.apache.paimon.data.InternalMap;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.data.Timestamp;
import org.apache.paimon.data.variant.Variant;
import org.apache.paimon.types.ArrayType;
import org.apache.paimon.types.DataField;
import org.apache.paimon.types.DataType;
import org.apache.paimon.types.DataTypeChecks;
import org.apache.paimon.types.IntType;
import org.apache.paimon.types.MapType;
import org.apache.paimon.types.MultisetType;
import org.apache.paimon.types.RowType;

/**
 * Prints rows as JSON in weir's row encoding: columns in table order, BIGINT as a number, DECIMAL
 * and times as strings with exactly their digits, binary in base64, maps as sorted pairs.
 */
final class RowEncoder {
    private final List<DataField> fields;
    private final InternalRow.FieldGetter[] getters;

    RowEncoder(RowType type) {
        fields = type.getFields();
        getters = new InternalRow.FieldGetter[fields.size()];
        for (int i = 0; i < getters.length; i++) {
            getters[i] = InternalRow.createFieldGetter(fields.get(i).type(), i);
        }
    }

    /** Returns the row as one JSON object; head is put before the first column ("" or "\"a\":1,"). */
    String encode(InternalRow row, String head) {
        StringBuilder out = new StringBuilder("{").append(head);
        appendFields(out, row);
        return out.append('}').toString();
    }

    private void appendFields(StringBuilder out, InternalRow row) {
        for (int i = 0; i < getters.length; i++) {
            if (i > 0) {
                out.append(',');
            }
            quote(out, fields.get(i).name());
            out.append(':');
            append(out, getters[i].getFieldOrNull(row), fields.get(i).type());
        }
    }

    private static void append(StringBuilder out, Object v, DataType type) {
        if (v == null) {
            out.append("null");
            return;
        }
        switch (type.getTypeRoot()) {
            case BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT -> out.append(v);
            case FLOAT -> appendFloat(out, (Float) v);
            case DOUBLE -> appendDouble(out, (Double) v);
            case CHAR, VARCHAR -> quote(out, v.toString());
            case BINARY, VARBINARY -> quote(out, Base64.getEncoder().encodeToString((byte[]) v));
            case BLOB -> quote(out, Base64.getEncoder().encodeToString(((Blob) v).toData()));
            case DECIMAL -> quote(out, decimal((Decimal) v, type));
            case DATE -> quote(out, LocalDate.ofEpochDay((Integer) v).toString());
            case TIME_WITHOUT_TIME_ZONE -> quote(out, time((Integer) v, DataTypeChecks.getPrecision(type)));
            case TIMESTAMP_WITHOUT_TIME_ZONE -> quote(out, timestamp((Timestamp) v, type));
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE -> quote(out, timestamp((Timestamp) v, type) + "Z");
            case VARIANT -> quote(out, ((Variant) v).toJson());
            case ARRAY -> appendArray(out, (InternalArray) v, ((ArrayType) type).getElementType());
            case MAP -> appendMap(out, (InternalMap) v, ((MapType) type).getKeyType(), ((MapType) type).getValueType());
            case MULTISET -> appendMap(out, (InternalMap) v, ((MultisetType) type).getElementType(), new IntType(false));
            case ROW -> {
                out.append('{');
                new RowEncoder((RowType) type).appendFields(out, (InternalRow) v);
                out.append('}');
            }
            default -> throw new IllegalArgumentException("type " + type + " has no row encoding");
        }
    }

    private static void appendArray(StringBuilder out, InternalArray array, DataType type) {
        InternalArray.ElementGetter getter = InternalArray.createElementGetter(type);
        out.append('[');
        for (int i = 0; i < array.size(); i++) {
            if (i > 0) {
                out.append(',');
            }
            append(out, getter.getElementOrNull(array, i), type);
        }
        out.append(']');
    }

    private static void appendMap(StringBuilder out, InternalMap map, DataType keyType, DataType valueType) {
        InternalArray.ElementGetter keys = InternalArray.createElementGetter(keyType);
        InternalArray.ElementGetter values = InternalArray.createElementGetter(valueType);
        List<String> pairs = new ArrayList<>();
        for (int i = 0; i < map.size(); i++) {
            StringBuilder pair = new StringBuilder("[");
            append(pair, keys.getElementOrNull(map.keyArray(), i), keyType);
            pair.append(',');
            append(pair, values.getElementOrNull(map.valueArray(), i), valueType);
            pairs.add(pair.append(']').toString());
        }
        Collections.sort(pairs);
        out.append('[').append(String.join(",", pairs)).append(']');
    }

    private static String decimal(Decimal v, DataType type) {
        return v.toBigDecimal().setScale(DataTypeChecks.getScale(type), RoundingMode.UNNECESSARY).toPlainString();
    }

    private static String time(int millis, int precision) {
        int s = millis / 1000;
        return String.format("%02d:%02d:%02d", s / 3600, s / 60 % 60, s % 60) + fraction(millis % 1000 * 1_000_000, precision);
    }

    private static String timestamp(Timestamp v, DataType type) {
        LocalDateTime t = v.toLocalDateTime();
        return String.format("%04d-%02d-%02d %02d:%02d:%02d", t.getYear(), t.getMonthValue(), t.getDayOfMonth(), t.getHour(), t.getMinute(), t.getSecond())
                + fraction(t.getNano(), DataTypeChecks.getPrecision(type));
    }

    private static String fraction(int nanos, int precision) {
        return precision == 0 ? "" : "." + String.format("%09d", nanos).substring(0, precision);
    }

    private static void appendFloat(StringBuilder out, float v) {
        if (Float.isNaN(v) || Float.isInfinite(v)) {
            quote(out, Float.toString(v));
            return;
        }
        // The limits are those of the 32-bit value, and the digits must parse back as one.
        boolean exponent = v != 0 && (Math.abs(v) < 1e-6f || Math.abs(v) >= 1e21f);
        BigDecimal shown = new BigDecimal(Float.toString(v));
        for (BigDecimal s; (s = shorter(new BigDecimal(v), shown)) != null && s.floatValue() == v; ) {
            shown = s;
        }
        appendNumber(out, shown, exponent, Float.floatToRawIntBits(v) < 0);
    }

    private static void appendDouble(StringBuilder out, double v) {
        if (Double.isNaN(v) || Double.isInfinite(v)) {
            quote(out, Double.toString(v));
            return;
        }
        boolean exponent = v != 0 && (Math.abs(v) < 1e-6 || Math.abs(v) >= 1e21);
        BigDecimal shown = new BigDecimal(Double.toString(v));
        for (BigDecimal s; (s = shorter(new BigDecimal(v), shown)) != null && s.doubleValue() == v; ) {
            shown = s;
        }
        appendNumber(out, shown, exponent, Double.doubleToRawLongBits(v) < 0);
    }

    /** Rounds the exact value to one digit less than shown has: Java 17 prints a digit too many at times. */
    private static BigDecimal shorter(BigDecimal exact, BigDecimal shown) {
        int digits = shown.stripTrailingZeros().precision() - 1;
        return digits < 1 ? null : exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
    }

    /** Lays the digits out as Go's encoding/json does. */
    private static void appendNumber(StringBuilder out, BigDecimal v, boolean exponent, boolean negative) {
        v = v.abs().stripTrailingZeros();
        if (negative) {
            out.append('-');
        }
        if (!exponent) {
            out.append(v.signum() == 0 ? "0" : v.toPlainString());
            return;
        }
        String digits = v.unscaledValue().toString();
        int exp = digits.length() - 1 - v.scale();
        out.append(digits.charAt(0));
        if (digits.length() > 1) {
            out.append('.').append(digits, 1, digits.length());
        }
        out.append('e').append(exp < 0 ? '-' : '+');
        // Go writes e-07 as e-7, but e+9 cannot occur: plain layout goes up to 1e+21.
        out.append(Math.abs(exp));
    }

    static void quote(StringBuilder out, String s) {
        out.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < 0x20) {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
