module.exports = async (event) => ({ begin: true })
