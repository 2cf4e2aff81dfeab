curl -XPOST -H'Authorization: Basic aWQ3OmNhbmFyeS14ZXJv' --data-raw $'grant_type=client_credentials&scope=accounting.transactions\x20accounting.contacts' https://identity.xero.com/connect/token
