/* Client: Java's HTTP clients, for measure.py.
 *
 *     java Client.java url|client CA-FILE < "ID URL" lines     prints "ID whole BYTES" or "ID failed BYTES WHY"
 *
 * url: HttpsURLConnection; client: java.net.http. */
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.time.Duration;
import javax.net.ssl.*;

public class Client {
    static final int LIMIT_MS = 10000;
    static long bytes;

    static SSLContext trusting(String file) throws Exception {
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null);
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            roots.setCertificateEntry("ours", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    static void count(InputStream in) throws IOException {
        byte[] piece = new byte[1000];
        for (int n; (n = in.read(piece)) >= 0; )
            bytes += n;
    }

    static void byUrl(String url, SSLContext context) throws Exception {
        HttpsURLConnection connection = (HttpsURLConnection) new URL(url).openConnection();
        connection.setSSLSocketFactory(context.getSocketFactory());
        connection.setReadTimeout(LIMIT_MS);
        try (InputStream in = connection.getInputStream()) {
            count(in);
        }
    }

    static void byClient(String url, SSLContext context) throws Exception {
        HttpClient client = HttpClient.newBuilder().sslContext(context).build();
        HttpRequest ask = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofMillis(LIMIT_MS)).build();
        try (InputStream in = client.send(ask, HttpResponse.BodyHandlers.ofInputStream()).body()) {
            count(in);
        }
    }

    public static void main(String[] words) throws Exception {
        SSLContext context = trusting(words[1]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] cell = line.split(" ");
            bytes = 0;
            try {
                if (words[0].equals("url"))
                    byUrl(cell[1], context);
                else
                    byClient(cell[1], context);
                System.out.println(cell[0] + " whole " + bytes);
            } catch (Exception problem) {
                System.out.println(cell[0] + " failed " + bytes + " " + problem.toString().replaceAll("\\s+", " "));
            }
        }
        System.exit(0); // java.net.http leaves threads behind
    }
}
