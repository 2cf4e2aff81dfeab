curl --cert cert.pem --key key.pem -XPOST 'https://example.authentication.cert.eu10.hana.ondemand.com/oauth/token' -d 'grant_type=client_credentials&client_id=sb-app!t1&response_type=token'
