import java.math.BigDecimal;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.data.BinaryString;
import org.apache.paimon.data.Decimal;
import org.apache.paimon.data.GenericArray;
import org.apache.paimon.data.GenericMap;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.data.Timestamp;
import org.apache.paimon.data.variant.GenericVariant;
import org.apache.paimon.shade.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.paimon.types.ArrayType;
import org.apache.paimon.types.DataField;
import org.apache.paimon.types.DataType;
import org.apache.paimon.types.DataTypeChecks;
import org.apache.paimon.types.IntType;
import org.apache.paimon.types.MapType;
import org.apache.paimon.types.MultisetType;
import org.apache.paimon.types.RowKind;
import org.apache.paimon.types.RowType;

/** Reads rows in weir's row encoding. A column that is not there is null. */
final class RowDecoder {
    private final List<DataField> fields;

    RowDecoder(RowType type) {
        fields = type.getFields();
    }

    /** Returns the row of a JSON object; its kind is "_kind" (+I if there is none). */
    GenericRow decode(JsonNode json) {
        JsonNode kind = json.get("_kind");
        GenericRow row = new GenericRow(kind == null ? RowKind.INSERT : RowKind.fromShortString(kind.asText()), fields.size());
        for (int i = 0; i < fields.size(); i++) {
            DataField f = fields.get(i);
            try {
                row.setField(i, decode(json.get(f.name()), f.type()));
            } catch (RuntimeException e) {
                throw new IllegalArgumentException("column " + f.name() + " " + f.type() + ": " + e.getMessage(), e);
            }
        }
        return row;
    }

    private static Object decode(JsonNode v, DataType type) {
        if (v == null || v.isNull()) {
            return null;
        }
        return switch (type.getTypeRoot()) {
            case BOOLEAN -> v.booleanValue();
            case TINYINT -> (byte) integer(v);
            case SMALLINT -> (short) integer(v);
            case INTEGER -> Math.toIntExact(integer(v));
            case BIGINT -> integer(v);
            case FLOAT -> v.isTextual() ? Float.parseFloat(v.asText()) : v.decimalValue().floatValue();
            case DOUBLE -> v.isTextual() ? Double.parseDouble(v.asText()) : v.doubleValue();
            case CHAR, VARCHAR -> BinaryString.fromString(text(v));
            case BINARY, VARBINARY -> Base64.getDecoder().decode(text(v));
            case DECIMAL -> Decimal.fromBigDecimal(new BigDecimal(text(v)), DataTypeChecks.getPrecision(type), DataTypeChecks.getScale(type));
            case DATE -> (int) LocalDate.parse(text(v)).toEpochDay();
            case TIME_WITHOUT_TIME_ZONE -> (int) (LocalTime.parse(text(v)).toNanoOfDay() / 1_000_000);
            case TIMESTAMP_WITHOUT_TIME_ZONE -> timestamp(text(v));
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE -> timestamp(text(v).replaceFirst("Z$", ""));
            case VARIANT -> GenericVariant.fromJson(text(v));
            case ARRAY -> array(v, ((ArrayType) type).getElementType());
            case MAP -> map(v, ((MapType) type).getKeyType(), ((MapType) type).getValueType());
            case MULTISET -> map(v, ((MultisetType) type).getElementType(), new IntType(false));
            case ROW -> new RowDecoder((RowType) type).decode(v);
            default -> throw new IllegalArgumentException("the type has no row encoding");
        };
    }

    private static long integer(JsonNode v) {
        if (!v.isIntegralNumber() || !v.canConvertToLong()) {
            throw new IllegalArgumentException("want an integer, got " + v);
        }
        return v.longValue();
    }

    private static String text(JsonNode v) {
        if (!v.isTextual()) {
            throw new IllegalArgumentException("want a string, got " + v);
        }
        return v.asText();
    }

    private static Timestamp timestamp(String s) {
        return Timestamp.fromLocalDateTime(LocalDateTime.parse(s.replace(' ', 'T')));
    }

    private static GenericArray array(JsonNode v, DataType type) {
        Object[] items = new Object[v.size()];
        for (int i = 0; i < items.length; i++) {
            items[i] = decode(v.get(i), type);
        }
        return new GenericArray(items);
    }

    private static GenericMap map(JsonNode v, DataType keyType, DataType valueType) {
        Map<Object, Object> pairs = new HashMap<>();
        for (JsonNode pair : v) {
            pairs.put(decode(pair.get(0), keyType), decode(pair.get(1), valueType));
        }
        return new GenericMap(pairs);
    }
}
