/*
 * stream: the client of client.c in C++, around a class whose read() throws where the peer was cut
 * off.
 *
 *     c++ -std=c++17 stream.cpp -o stream $(pkg-config --cflags --libs lastword-openssl)
 *     ./stream example.org 443 /etc/ssl/certs/ca-certificates.crt / >page && echo whole
 *
 * A stream borrows the SSL object, so that it is destroyed first: members are destroyed in reverse.
 * Exit status: 0 whole; 1 cut or failed, and standard error says how.
 */
#include <array>
#include <iostream>
#include <lastword/openssl.h>
#include <lastword/profile.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

template <auto release> struct releaser {
	template <class T> void operator()(T *what) const
	{
		release(what);
	}
};
template <class T, auto release> using owned = std::unique_ptr<T, releaser<release>>;

using context = owned<SSL_CTX, SSL_CTX_free>;

class stream
{
      public:
	/* Connects, and takes part in the messages of `profile`. */
	stream(SSL_CTX *ctx, const std::string &host, const std::string &port, const char *profile)
	    : ssl(SSL_new(ctx))
	{
		owned<BIO, BIO_free_all> tcp(BIO_new_connect(host.c_str()));

		if (!ssl || !tcp || BIO_set_conn_port(tcp.get(), port.c_str()) != 1 ||
		    BIO_do_connect(tcp.get()) != 1)
			throw std::runtime_error("cannot connect to " + host + " port " + port);
		SSL_set_bio(ssl.get(), tcp.get(), tcp.get());
		tcp.release();
		SSL_set_connect_state(ssl.get());
		const char *why = nullptr;
		tls.reset(lw_openssl_attach(ssl.get(), nullptr, &why));
		if (!tls)
			throw std::runtime_error(why);
		if (SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1 ||
		    SSL_set1_host(ssl.get(), host.c_str()) != 1 ||
		    lw_use_profile(tls.get(), lw_profile_by_name(profile), LW_ROLE_CLIENT) != LW_OK)
			throw std::runtime_error("cannot use " + host + " as " + profile);
	}

	void write(std::string_view text)
	{
		for (std::size_t n = 0; !text.empty(); text.remove_prefix(n)) {
			const lw_status status = lw_write(tls.get(), text.data(), text.size(), &n);

			if (status == LW_AGAIN)
				wait(LW_INTEREST_WRITE);
			else if (status != LW_OK)
				throw std::runtime_error(sentence());
		}
	}

	/* The next bytes; none at the end of a stream that is whole. */
	std::string_view read()
	{
		for (;;) {
			std::size_t n = 0;

			switch (lw_read(tls.get(), buffer.data(), buffer.size(), &n)) {
			case LW_OK:
				return { buffer.data(), n };
			case LW_AGAIN:
				wait(LW_INTEREST_READ);
				break;
			case LW_END:
				return {};
			default:
				throw std::runtime_error(sentence());
			}
		}
	}

	/* Ends properly, and waits for the peer to do so within the stream's deadlines. */
	void close()
	{
		while (lw_close(tls.get()) == LW_AGAIN)
			wait(0);
	}

	std::string sentence() const
	{
		std::array<char, 256> text{};
		struct lw_verdict verdict {
		}; /* the function has the same name */

		lw_verdict(tls.get(), &verdict);
		return lw_verdict_sentence(&verdict, text.data(), text.size());
	}

      private:
	owned<SSL, SSL_free> ssl;
	owned<lw_stream, lw_free> tls;
	std::array<char, 16384> buffer{};

	void wait(unsigned interest)
	{
		if (lw_wait(tls.get(), interest, -1) != LW_OK)
			throw std::runtime_error("cannot wait");
	}
};

int main(int argc, char **argv)
try {
	const context ctx(SSL_CTX_new(TLS_client_method()));

	if (argc != 5 || !ctx || SSL_CTX_load_verify_file(ctx.get(), argv[3]) != 1)
		throw std::runtime_error("usage: stream HOST PORT ROOTS PATH");
	SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
	stream page(ctx.get(), argv[1], argv[2], "https");
	page.write(std::string("GET ") + argv[4] + " HTTP/1.0\r\nHost: " + argv[1] + "\r\n\r\n");
	for (std::string_view text = page.read(); !text.empty(); text = page.read())
		std::cout << text;
	page.close();
	std::cerr << "stream: " << page.sentence() << '\n';
	return std::cout.flush() ? 0 : 1;
} catch (const std::exception &trouble) {
	std::cerr << "stream: " << trouble.what() << '\n';
	return 1;
}
