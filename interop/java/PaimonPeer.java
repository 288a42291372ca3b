import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.paimon.CoreOptions;
import org.apache.paimon.append.AppendCompactCoordinator;
import org.apache.paimon.append.AppendCompactTask;
import org.apache.paimon.data.BinaryRow;
import org.apache.paimon.disk.IOManager;
import org.apache.paimon.fs.Path;
import org.apache.paimon.fs.local.LocalFileIO;
import org.apache.paimon.operation.BaseAppendFileStoreWrite;
import org.apache.paimon.reader.RecordReader;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.schema.Schema;
import org.apache.paimon.schema.SchemaManager;
import org.apache.paimon.shade.jackson2.com.fasterxml.jackson.databind.DeserializationFeature;
import org.apache.paimon.shade.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.paimon.shade.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.paimon.table.BucketMode;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.FileStoreTableFactory;
import org.apache.paimon.table.sink.BatchTableCommit;
import org.apache.paimon.table.sink.BatchTableWrite;
import org.apache.paimon.table.sink.BatchWriteBuilder;
import org.apache.paimon.table.sink.CommitMessage;
import org.apache.paimon.table.sink.TableCommitImpl;
import org.apache.paimon.table.source.DataSplit;
import org.apache.paimon.table.source.ReadBuilder;
import org.apache.paimon.table.source.Split;
import org.apache.paimon.table.source.StreamTableScan;
import org.apache.paimon.types.DataType;
import org.apache.paimon.types.DataTypeJsonParser;

/**
 * Java Paimon as a peer: reads, writes and compacts the table in a folder of local disk.
 *
 * <pre>
 * read      PATH [SNAPSHOT] [option=value]...   rows as JSON lines
 * changelog PATH FROM [option=value]...         changes of snapshots from FROM on, with _snapshot and _kind
 * write     PATH FILE.jsonl [option=value]...   one commit of rows, which may have _kind
 * create    PATH SCHEMA.json                    {"columns":[["k","INT NOT NULL"],..],"primaryKeys":[..],"partitionKeys":[..],"options":{..}}
 * compact   PATH [option=value]...              full compaction of every bucket
 * </pre>
 *
 * Without arguments it takes one command a line from its input, as a JSON array of strings, and
 * ends each answer with a line {"_end":"ok"} or {"_end":"error","message":".."}.
 */
public final class PaimonPeer {
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

    private final PrintStream out;

    private PaimonPeer(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, StandardCharsets.UTF_8);
        System.setOut(System.err); // what libraries print is not an answer
        PaimonPeer peer = new PaimonPeer(out);
        if (args.length > 0) {
            peer.run(List.of(args));
            out.flush();
            return;
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            peer.serve(line);
        }
    }

    private void serve(String line) {
        try {
            List<String> args = new ArrayList<>();
            JSON.readTree(line).forEach(a -> args.add(a.asText()));
            run(args);
            out.println("{\"_end\":\"ok\"}");
        } catch (Throwable e) { // also missing classes: the caller must get an answer
            StringWriter trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace));
            StringBuilder message = new StringBuilder();
            RowEncoder.quote(message, trace.toString());
            out.println("{\"_end\":\"error\",\"message\":" + message + "}");
        }
        out.flush();
    }

    private void run(List<String> args) throws Exception {
        if (args.size() < 2) {
            throw new IllegalArgumentException("want COMMAND PATH .., got " + args);
        }
        Path path = new Path(args.get(1));
        List<String> rest = args.subList(2, args.size());
        switch (args.get(0)) {
            case "read" -> read(path, rest);
            case "changelog" -> changelog(path, Long.parseLong(rest.get(0)), options(rest.subList(1, rest.size())));
            case "write" -> write(path, rest.get(0), options(rest.subList(1, rest.size())));
            case "create" -> create(path, rest.get(0));
            case "compact" -> compact(path, options(rest));
            default -> throw new IllegalArgumentException("no command " + args.get(0));
        }
    }

    private static Map<String, String> options(List<String> words) {
        Map<String, String> options = new HashMap<>();
        for (String w : words) {
            String[] kv = w.split("=", 2);
            if (kv.length != 2) {
                throw new IllegalArgumentException("want option=value, got " + w);
            }
            options.put(kv[0], kv[1]);
        }
        return options;
    }

    private static FileStoreTable open(Path path, Map<String, String> options) {
        FileStoreTable table = FileStoreTableFactory.create(LocalFileIO.create(), path);
        return options.isEmpty() ? table : table.copy(options);
    }

    private void read(Path path, List<String> rest) throws Exception {
        Map<String, String> options = new HashMap<>();
        if (!rest.isEmpty() && rest.get(0).matches("[0-9]+")) {
            options.put(CoreOptions.SCAN_SNAPSHOT_ID.key(), rest.get(0));
            rest = rest.subList(1, rest.size());
        }
        options.putAll(options(rest));
        FileStoreTable table = open(path, options);
        ReadBuilder builder = table.newReadBuilder();
        print(table, builder, builder.newScan().plan().splits(), -1);
    }

    /** Prints the rows of splits; with _snapshot and _kind if snapshot is not negative. */
    private void print(FileStoreTable table, ReadBuilder builder, List<Split> splits, long snapshot) throws Exception {
        RowEncoder encoder = new RowEncoder(table.rowType());
        java.nio.file.Path temp = Files.createTempDirectory("paimon-peer");
        try (IOManager io = IOManager.create(temp.toString())) {
            for (Split split : splits) {
                try (RecordReader<InternalRow> reader = builder.newRead().withIOManager(io).createReader(split)) {
                    reader.forEachRemaining(row -> {
                        String head = snapshot < 0 ? "" : "\"_snapshot\":" + snapshot + ",\"_kind\":\"" + row.getRowKind().shortString() + "\",";
                        out.println(encoder.encode(row, head));
                    });
                }
            }
        } finally {
            Files.deleteIfExists(temp);
        }
    }

    private void changelog(Path path, long from, Map<String, String> options) throws Exception {
        FileStoreTable table = open(path, options);
        Long latest = table.snapshotManager().latestSnapshotId();
        ReadBuilder builder = table.newReadBuilder();
        StreamTableScan scan = builder.newStreamScan();
        scan.restore(from);
        for (long next = from; latest != null && next <= latest; ) {
            List<Split> splits = scan.plan().splits();
            Long after = scan.checkpoint();
            print(table, builder, splits, after - 1);
            if (after <= next) {
                break; // nothing more to come
            }
            next = after;
        }
    }

    private void write(Path path, String file, Map<String, String> options) throws Exception {
        FileStoreTable table = open(path, options);
        RowDecoder decoder = new RowDecoder(table.rowType());
        BatchWriteBuilder builder = table.newBatchWriteBuilder();
        java.nio.file.Path temp = Files.createTempDirectory("paimon-peer");
        try (BufferedReader in = Files.newBufferedReader(Paths.get(file), StandardCharsets.UTF_8);
                IOManager io = IOManager.create(temp.toString());
                BatchTableWrite write = builder.newWrite().withIOManager(io);
                BatchTableCommit commit = builder.newCommit()) {
            int n = 0;
            for (String line; (line = in.readLine()) != null; ) {
                n++;
                if (line.isBlank()) {
                    continue;
                }
                try {
                    write.write(decoder.decode(JSON.readTree(line)));
                } catch (IllegalArgumentException e) {
                    throw new IllegalArgumentException(file + ": line " + n + ": " + e.getMessage(), e);
                }
            }
            commit.commit(write.prepareCommit());
        } finally {
            Files.deleteIfExists(temp);
        }
    }

    private void create(Path path, String file) throws Exception {
        JsonNode spec = JSON.readTree(Files.readString(Paths.get(file)));
        Schema.Builder schema = Schema.newBuilder();
        for (JsonNode column : spec.get("columns")) {
            DataType type = DataTypeJsonParser.parseDataType(column.get(1));
            schema.column(column.get(0).asText(), type);
        }
        schema.primaryKey(strings(spec.get("primaryKeys")));
        schema.partitionKeys(strings(spec.get("partitionKeys")));
        if (spec.has("options")) {
            spec.get("options").fields().forEachRemaining(e -> schema.option(e.getKey(), e.getValue().asText()));
        }
        new SchemaManager(LocalFileIO.create(), path).createTable(schema.build());
    }

    private static List<String> strings(JsonNode array) {
        List<String> list = new ArrayList<>();
        if (array != null) {
            array.forEach(v -> list.add(v.asText()));
        }
        return list;
    }

    private void compact(Path path, Map<String, String> options) throws Exception {
        Map<String, String> all = new HashMap<>(options);
        all.put(CoreOptions.WRITE_ONLY.key(), "false");
        FileStoreTable table = open(path, all);
        if (table.bucketMode() == BucketMode.BUCKET_UNAWARE) {
            compactUnbucketed(table);
        } else {
            compactBuckets(table);
        }
    }

    private static void compactBuckets(FileStoreTable table) throws Exception {
        Map<Integer, Map<BinaryRow, Boolean>> buckets = new TreeMap<>();
        for (DataSplit split : table.newSnapshotReader().read().dataSplits()) {
            buckets.computeIfAbsent(split.bucket(), b -> new HashMap<>()).put(split.partition().copy(), true);
        }
        BatchWriteBuilder builder = table.newBatchWriteBuilder();
        java.nio.file.Path temp = Files.createTempDirectory("paimon-peer");
        try (IOManager io = IOManager.create(temp.toString());
                BatchTableWrite write = builder.newWrite().withIOManager(io);
                BatchTableCommit commit = builder.newCommit()) {
            for (Map.Entry<Integer, Map<BinaryRow, Boolean>> e : buckets.entrySet()) {
                for (BinaryRow partition : e.getValue().keySet()) {
                    write.compact(partition, e.getKey(), true);
                }
            }
            commit.commit(write.prepareCommit());
        } finally {
            Files.deleteIfExists(temp);
        }
    }

    private static void compactUnbucketed(FileStoreTable table) throws Exception {
        String user = UUID.randomUUID().toString();
        List<CommitMessage> messages = new ArrayList<>();
        BaseAppendFileStoreWrite write = (BaseAppendFileStoreWrite) (Object) table.store().newWrite(user);
        try (TableCommitImpl commit = table.newCommit(user)) {
            for (AppendCompactTask task : new AppendCompactCoordinator(table, false).run()) {
                messages.add(task.doCompact(table, write));
            }
            commit.commit(0, messages);
        } finally {
            write.close();
        }
    }
}
