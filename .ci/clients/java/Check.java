import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import example.cme.ApiClient;
import example.cme.ApiException;
import example.cme.api.CapabilitiesApi;
import example.cme.api.TransfersApi;
import example.cme.model.Capabilities;
import example.cme.model.EntryPage;
import example.cme.model.EntryType;
import example.cme.model.LedgerEntry;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.HashSet;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Holds the generated Java client to the published ledgers, and to a server: the folder of ledgers, the directory,
 * a PKCS#12 file with its password, and a ledger that exists.
 */
public final class Check {
    private static final String HOSTED = "373";

    public static void main(String[] arguments) throws Exception {
        int kept = keepsEveryPublishedEntry(Path.of(arguments[0]));
        readsALedger(Path.of(arguments[1]), Path.of(arguments[2]), arguments[3].toCharArray(), UUID.fromString(arguments[4]));
        System.out.println("Java: " + kept + " published entries are kept whole, and a ledger was read");
    }

    private static void hold(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    /** A model that is written out again is the same value. What a later minor version adds is dropped, not refused. */
    private static int keepsEveryPublishedEntry(Path folder) throws IOException {
        ObjectMapper generated = new ApiClient().getObjectMapper();
        ObjectMapper plain = new ObjectMapper();
        int kept = 0;
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".json")).sorted().toList()) {
                for (JsonNode entry : plain.readTree(file.toFile()).path("entries")) {
                    ObjectNode later = entry.deepCopy();
                    ((ObjectNode) later.path("header")).putArray("later").add(1).addNull();
                    for (JsonNode given : new JsonNode[] {entry, later}) {
                        LedgerEntry typed = generated.readValue(given.toString(), LedgerEntry.class);
                        JsonNode again = plain.readTree(generated.writeValueAsString(typed));
                        hold(again.equals(entry), file + ": " + entry.path("header").path("type") + "\n" + again);
                    }
                    kept += 1;
                }
            }
        }
        hold(kept > 60, kept);
        return kept;
    }

    private static void readsALedger(Path directory, Path keys, char[] password, UUID transfer) throws Exception {
        JsonNode record = null;
        for (JsonNode authority : new ObjectMapper().readTree(directory.toFile()).path("directory").path("authorities")) {
            if (authority.path("code").asText().equals(HOSTED)) record = authority;
        }
        Set<String> pins = new HashSet<>();
        record.path("serverPins").forEach(pin -> pins.add(pin.asText()));

        ApiClient client = client(pins, keys, password);
        client.updateBaseUri(record.path("baseUrl").asText());
        Capabilities capabilities = new CapabilitiesApi(client).getCapabilities(1L);
        hold(capabilities.getAuthority().equals(HOSTED), capabilities);
        TransfersApi transfers = new TransfersApi(client);
        EntryPage page = transfers.listEntries(transfer.toString(), 0L, 10L, 1L);
        hold(page.getEntries().size() == 1 && page.getEntries().get(0).getHeader().getType() == EntryType.OFFER, page);
        try {
            transfers.listEntries(UUID.randomUUID().toString(), null, null, null);
            hold(false, "a ledger of nobody was read");
        } catch (ApiException refused) {
            hold(refused.getCode() == 404 && refused.getResponseBody().contains("ledger-unknown"), refused);
        }

        ApiClient elsewhere = client(Set.of("another"), keys, password);
        elsewhere.updateBaseUri(record.path("baseUrl").asText());
        try {
            new CapabilitiesApi(elsewhere).getCapabilities(1L);
            hold(false, "a server with another pin was called");
        } catch (ApiException unpinned) {
            hold(String.valueOf(unpinned.getMessage()).contains("not pinned"), unpinned);
        }
    }

    /** TLS 1.3 with the caller's certificate; the pin stands in place of names and issuers. */
    private static ApiClient client(Set<String> pins, Path keys, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream content = Files.newInputStream(keys)) {
            store.load(content, password);
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(store, password);
        SSLContext tls = SSLContext.getInstance("TLSv1.3");
        tls.init(own.getKeyManagers(), new TrustManager[] {new Pinned(pins)}, null);
        ApiClient client = new ApiClient();
        client.setHttpClientBuilder(HttpClient.newBuilder().sslContext(tls).version(HttpClient.Version.HTTP_1_1));
        return client;
    }

    /** The extended class, so that the host name is not compared after it. */
    private static final class Pinned extends X509ExtendedTrustManager {
        private final Set<String> pins;

        Pinned(Set<String> pins) {
            this.pins = pins;
        }

        private void check(X509Certificate[] chain) throws CertificateException {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(chain[0].getPublicKey().getEncoded());
                if (pins.contains(Base64.getUrlEncoder().withoutPadding().encodeToString(digest))) return;
            } catch (java.security.NoSuchAlgorithmException missing) {
                throw new CertificateException(missing);
            }
            throw new CertificateException("the server's key is not pinned to the authority");
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) throws CertificateException {
            check(chain);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) throws CertificateException {
            check(chain);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
            check(chain);
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) throws CertificateException {
            throw new CertificateException("no server");
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) throws CertificateException {
            throw new CertificateException("no server");
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
            throw new CertificateException("no server");
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
